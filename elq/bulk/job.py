"""The job of a bulk run: which model links with which settings, and the plan that two runs must share."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from elq import __version__
from elq.bulk.shards import OWN, Shard, read_record
from elq.encoding.pretrained import GENERAL
from elq.entities.catalogue_files import require_catalogue
from elq.entities.manifest import MANIFEST, manifest_values
from elq.errors import ElqError
from elq.files import digest_of, holds_json, write_json, writing
from elq.linking.decision import Decision
from elq.linking.folder import DECISION, ENTITIES, MODEL_FILES, resolve_model
from elq.linking.general import STARTER
from elq.linking.inputs import check_folder

if TYPE_CHECKING:
    from elq.linking.linker import Linker

PLAN = "plan.json"
WORDS = {"elq": "another version of elq", "model": "another model or catalogue", "settings": "other settings"}


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that a worker needs to know, with absolute paths, since a worker may run in another folder.

    Args:
        output: the output folder.
        model: the model folder, its name on the Hub, or ``elq/general``.
        catalogue: a catalogue file that the model links over; None: the model's own entities.
        columns: elq's field → the catalogue's column.
        opening: settings of the linker: ``device``, ``backend``, ``dtype``, ``scoring``, ``max_mentions``.
        how: settings of :meth:`elq.Linker.link`: ``threshold``, ``min_probability``, ``candidates``, ``nil``.
        text_column: the column or key of the questions, if it is not ``text`` or ``question``.
        form: the format of the output: jsonl or parquet.
    """

    output: Path
    model: str = GENERAL
    catalogue: str | None = None
    columns: Mapping[str, str] | None = None
    opening: Mapping[str, Any] = field(default_factory=dict)
    how: Mapping[str, Any] = field(default_factory=dict)
    text_column: str | None = None
    form: str = "jsonl"

    def open(self, device: str | None = None) -> "Linker":
        """The linker. Give ``device`` to choose another device than that of the job."""
        from elq.linking.opening import open_linker

        opening = {**self.opening, **({} if device is None else {"device": device})}
        return open_linker(self.model, self.catalogue, columns=self.columns, **opening)

    def plan(self) -> dict[str, Any]:
        """What decides the links: the content of the model and the settings. The path of the model plays no part.

        Raises:
            ElqError: there is no such model or catalogue.
        """
        settings = {**self.opening, **self.how, "text_column": self.text_column, "format": self.form}
        settings.pop("device", None)  # a run may go on elsewhere
        return {"elq": __version__, "model": self._model_digest(), "settings": dict(sorted(settings.items()))}

    def _model_digest(self) -> str:
        path = resolve_model(check_folder(self.model))
        about: list[Any] = [sorted((self.columns or {}).items())]
        if (path / DECISION).is_file() or self.model != GENERAL:
            decision = Decision.load(path)
            about.append([getattr(decision, name) for name in ("threshold", "mention_threshold", "candidates", "score_mode")])
            about.append(decision.calibration)
            about += [[name, value] for name, value in decision.further.items()]
        if (path / ENTITIES / MANIFEST).is_file():
            about.append(manifest_values(path / ENTITIES))
        files = [path / name for name in MODEL_FILES]
        if self.catalogue is not None:
            require_catalogue(Path(self.catalogue), self.columns)
            files.append(Path(self.catalogue))
        elif not (path / ENTITIES).is_dir():
            files.append(STARTER)
        return digest_of(files, json.dumps(about, sort_keys=True, default=list))


def digest_of_plan(plan: Mapping[str, Any]) -> str:
    """A short name for a plan, which every record contains."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


@contextmanager
def prepared(output: Path, plan: dict[str, Any], shards: list[Shard], *, overwrite: bool) -> Iterator[None]:
    """Make the output folder for a plan, and hold its lock.

    Args:
        output: the output folder.
        plan: the plan of the run.
        shards: the shards of the run.
        overwrite: delete the links of another plan, instead of refusing to mix them.

    Raises:
        ElqError: another command writes to the folder, or it has links of another plan, or files that elq did not make.
    """
    own = output / OWN
    with writing(output):
        (own / "shards").mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(own / "lock").acquire(timeout=0)
    except Timeout:
        raise ElqError(f"another `elq bulk` writes to {output}: wait until it ends, or give another --output") from None
    with lock:
        if not holds_json(own / PLAN, plan):
            _replace_plan(output, plan, shards, overwrite)
        shutil.rmtree(own / "unfinished", ignore_errors=True)  # of a run that was killed
        with writing(output):
            (own / "unfinished").mkdir()
        yield


def _replace_plan(output: Path, plan: dict[str, Any], shards: list[Shard], overwrite: bool) -> None:
    """Write a new plan into an output folder, after the links of an older one are deleted."""
    path = output / OWN / PLAN
    if path.is_file() and not overwrite:
        raise ElqError(
            f"{output} has links that were made with {_difference(path, plan)}: give --overwrite to delete them and link"
            " anew, or give another --output"
        )
    records = sorted((output / OWN / "shards").rglob("*.json"))
    for record in records:  # the output first: a run that is killed here finds the record, and goes on deleting
        (output / record.relative_to(output / OWN / "shards").with_suffix("")).unlink(missing_ok=True)
        record.unlink()
    if not path.is_file() and (foreign := next((s for s in shards if (output / s.name).exists()), None)):
        raise ElqError(f"{output / foreign.name} exists and was not made by `elq bulk`: give another --output, or remove it")
    write_json(path, plan)


def _difference(path: Path, plan: Mapping[str, Any]) -> str:
    """What differs between the plan in a file and another one, in words."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        old = None
    if not isinstance(old, dict):
        return "a plan that cannot be read"
    wrong = [words for key, words in WORDS.items() if old.get(key) != plan[key]]
    if "settings" in plan and isinstance(old.get("settings"), dict) and old["settings"] != plan["settings"]:
        names = sorted(name for name in {**old["settings"], **plan["settings"]} if _of(old, name) != _of(plan, name))
        wrong[-1] += f" ({', '.join(names)})"
    return " and ".join(wrong) or "another plan"


def _of(plan: Mapping[str, Any], name: str) -> Any:
    return plan["settings"].get(name)


def left_over(output: Path, shards: list[Shard]) -> int:
    """The number of finished shards whose input is not among the shards of this run."""
    names = {shard.name for shard in shards}
    root = output / OWN / "shards"
    found = [path.relative_to(root).as_posix().removesuffix(".json") for path in root.rglob("*.json")]
    return sum(name not in names and read_record(output, name) is not None for name in found)
