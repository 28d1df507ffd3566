"""The facts of a model card: gathers what the files of a model folder say about the model, and what is unknown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from elq.encoding.e5 import NAME as MULTILINGUAL
from elq.encoding.pretrained import DEFAULT, GENERAL, WEIGHTS
from elq.entities.manifest import Entities, open_entities
from elq.errors import ElqError
from elq.files import digest_of
from elq.hub.evaluations import Evaluation, base_name, evaluation_of, read_evaluation
from elq.linking.decision import Decision
from elq.linking.folder import METRICS, MODEL_FILES, TRAINING
from elq.model.config import ELQConfig, read_config


class Base(NamedTuple):
    """An encoder from which a training starts."""

    hub: str  # its name on the Hub
    licence: str
    language: str


MINILM = Base(DEFAULT, "Apache-2.0", "en")
BASES = {
    DEFAULT: MINILM,
    GENERAL: MINILM,
    MULTILINGUAL: Base("intfloat/multilingual-e5-small", "MIT", "multilingual"),
    "bert-large-uncased": Base("google-bert/bert-large-uncased", "Apache-2.0", "en"),
}
LICENCES = {  # beginning of the name of a file of `elq download` → licence of its questions
    "webqsp": "CC BY 4.0",
    "simplequestions": "CC BY 3.0",
    "mintaka": "CC BY 4.0",
}


class Data(NamedTuple):
    """Questions of a training."""

    name: str
    use: str
    licence: str | None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a model; None: the files do not say it."""

    config: ELQConfig
    decision: Decision
    entities: Entities
    weights_bytes: int
    weights_sha256: str
    general: bool  # whether the weights are those of the package
    base_name: str | None  # the encoder from which the training started, as its settings name it
    base: Base | None
    languages: Sequence[str]  # empty: unknown
    data: Sequence[Data]
    seed: int | None
    made_with: Mapping[str, Any]  # elq, commit and experiment of the training
    development: Evaluation | None
    evaluations: Sequence[Evaluation]

    @property
    def example(self) -> str:
        """A title in the catalogue, for an example."""
        return next(entity.title for entity in islice(self.entities.catalogue, 1))


def facts_of(folder: Path, entities: Path, evaluations: Sequence[str | Path] = ()) -> Facts:
    """Gather the facts of a model.

    Args:
        folder: the model folder.
        entities: the entities folder.
        evaluations: files of ``elq evaluate --output``.

    Raises:
        ElqError: a file of the folder is damaged, or a file is no evaluation or one of other weights.
    """
    digest = digest_of([folder / name for name in MODEL_FILES])
    training, metrics = _keys(folder / TRAINING), _keys(folder / METRICS)
    general = digest == digest_of([WEIGHTS / name for name in MODEL_FILES])
    settings = training.get("model")
    encoder = GENERAL if general else settings.get("encoder") if isinstance(settings, dict) else None
    base = BASES.get(str(encoder))
    data = training.get("data")
    spoken = data.get("languages") if isinstance(data, dict) else None
    made_with = metrics.get("made_with")
    return Facts(
        config=read_config(folder / "config.json"),
        decision=Decision.load(folder),
        entities=open_entities(entities),
        weights_bytes=(folder / "model.safetensors").stat().st_size,
        weights_sha256=digest,
        general=general,
        base_name=None if encoder is None else str(encoder),
        base=base,
        languages=tuple(spoken) if isinstance(spoken, list) else (base.language,) if base else (),
        data=tuple(dict.fromkeys(_data(data))) if isinstance(data, dict) else (),
        seed=training.get("seed_everything"),
        made_with=made_with if isinstance(made_with, dict) else {},
        development=evaluation_of(metrics) if isinstance(metrics.get("model"), dict) else None,
        evaluations=[_of_these_weights(path, digest) for path in evaluations],
    )


def _of_these_weights(path: str | Path, digest: str) -> Evaluation:
    found = read_evaluation(path)
    if found.weights_sha256 not in (None, digest):
        raise ElqError(f"{path} measured another model, since its weights differ: evaluate this one, and give that file")
    return found


def _data(settings: Mapping[str, Any]) -> Iterator[Data]:
    """The questions of a training, each once: those of its stages, then those on which epoch and γ were chosen."""
    stages = settings.get("train")
    for stage in [stages] if isinstance(stages, str) else stages or ():
        sources = [{"file": stage}] if isinstance(stage, str) else stage.get("sources") or ()
        if isinstance(stage, dict) and stage.get("templates"):
            yield Data(
                f"{stage['templates']:,} template questions",
                "training, made of names in the catalogue",
                "that of the catalogue",
            )
        for source in sources:
            name = base_name(str(source["file"] if isinstance(source, dict) else source))
            yield Data(name, "training", licence_of(name))
    if settings.get("dev"):
        name = base_name(str(settings["dev"]))
        yield Data(name, "choice of epoch and threshold", licence_of(name))


def licence_of(file: str) -> str | None:
    """The licence of the questions in a file that `elq download` makes; None for other files.

    >>> licence_of("webqsp_train.jsonl"), licence_of("mine.jsonl")
    ('CC BY 4.0', None)
    """
    return next((licence for start, licence in LICENCES.items() if file.startswith(f"{start}_")), None)


def _keys(path: Path) -> dict[str, Any]:
    """The keys and values of a JSON or YAML file; none if there is no such file.

    Raises:
        ElqError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ElqError(
            f"{path} cannot be read ({' '.join(str(error).split())}): remove it, or put a whole copy there"
        ) from None
    return found if isinstance(found, dict) else {}
