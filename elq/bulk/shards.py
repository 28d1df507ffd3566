"""Shards: finds the input files of a bulk run, and says which of them are linked already.

An output folder contains one file for each input file, and the folder ``_elq`` (most readers of data sets pass over names that
begin with ``_``):

    _elq/plan.json            the model and the settings of the run
    _elq/shards/NAME.json     the record of a finished shard: its input, and what was counted
    _elq/unfinished/          files that are being written
    _elq/lock                 held by the command that runs

A shard is finished when its record exists. The record is written after the output has its name, so a shard that was interrupted
anywhere is linked again, and its output is replaced as a whole.
"""

import glob
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from elq.errors import ElqError
from elq.questions.inputs import FORMATS, TABLES, TEXT
from elq.reading.lines import COMPRESSED, format_of
from elq.reading.records import JSON, JSON_LINES

OWN = "_elq"  # folder in the output folder
HIDDEN = ("_", ".")  # how the names begin that are no data: _SUCCESS, .crc, and elq's own folder
READABLE = (*TEXT, *JSON_LINES, *JSON, *TABLES)
MAGIC = "*?["


@dataclass(frozen=True, slots=True)
class Shard:
    """One input file, and the name of its output within the output folder, such as ``2024/part-1.jsonl``."""

    source: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of a finished shard.

    Args:
        source: path of the input file.
        size: its size in bytes.
        mtime_ns: its modification time.
        sha256: the sum over its content.
        plan: the digest of the model and the settings.
        output_size: the size of the output in bytes.
        questions, links, bad_lines: what was counted.
        examples: what is wrong with the first bad lines.
        seconds: the time of linking.
    """

    source: str
    size: int
    mtime_ns: int
    sha256: str
    plan: str
    output_size: int
    questions: int
    links: int
    bad_lines: int
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> str:
        """The content of the file of a record."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def find_shards(source: str, form: str) -> tuple[list[Shard], int]:
    """Find the input files of a folder (with its subfolders), of a pattern such as ``data/*.csv``, or one file.

    Args:
        source: the folder, pattern or file.
        form: the format of the output: jsonl or parquet.

    Returns:
        The shards in the order of their names, and the number of files that were passed over, since elq cannot read them.

    Raises:
        ElqError: there is no file that elq can read, or two of them would have the same output.
    """
    root, paths = _files(source)
    kept = [path for path in paths if format_of(path) in READABLE]
    if not kept:
        raise ElqError(f"--input {source} has no file that can be read: give a folder or a pattern of files, each {FORMATS}")
    shards: dict[str, Shard] = {}
    for path in sorted(kept):
        name = _plain_name(path.relative_to(root).as_posix()) + f".{form}"
        if (other := shards.get(name)) is not None:
            raise ElqError(
                f"{other.source} and {path} would both be linked to {name}: rename one of them, or give them in two runs"
            )
        shards[name] = Shard(path, name)
    return list(shards.values()), len(paths) - len(kept)


def _files(source: str) -> tuple[Path, list[Path]]:
    """The folder that the outputs' names are relative to, and all files that are no hidden ones."""
    path = Path(source).expanduser()
    if path.is_dir():
        root, found = path, list(_below(path))
    elif path.is_file():
        root, found = path.parent, [path]
    else:
        parts = path.parts
        fixed = next((at for at, part in enumerate(parts) if any(sign in part for sign in MAGIC)), len(parts) - 1)
        root = Path(*parts[:fixed])
        names = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 Path.glob takes no absolute pattern
        found = [Path(name) for name in names if Path(name).is_file()]
    return root.resolve(), [root.resolve() / one.relative_to(root) for one in found if not one.name.startswith(HIDDEN)]


def _below(folder: Path) -> Iterator[Path]:
    """The files below a folder, without those in hidden folders. Links to folders are followed."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
        yield from (Path(place) / name for name in files)


def _plain_name(name: str) -> str:
    """The name of a file without the suffixes of a compression and of a format.

    >>> _plain_name("2024/part-1.csv.gz"), _plain_name("part-00000-c000.snappy.parquet"), _plain_name("part-00000")
    ('2024/part-1', 'part-00000-c000.snappy', 'part-00000')
    """
    folder, slash, last = name.rpartition("/")
    for suffixes in (COMPRESSED, tuple(f".{kind}" for kind in READABLE if kind)):
        stem, _, suffix = last.rpartition(".")
        last = stem if stem and f".{suffix.lower()}" in suffixes else last
    return folder + slash + last


def record_path(output: Path, name: str) -> Path:
    """The file with the record of a shard."""
    return output / OWN / "shards" / f"{name}.json"


def read_record(output: Path, name: str) -> Record | None:
    """The record of a shard; None if the shard is not finished, or its record cannot be read."""
    try:
        return Record(**json.loads(record_path(output, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def finished(shard: Shard, output: Path, plan: str) -> Record | None:
    """The record of a shard whose output is there, complete, and made from this input with this plan; otherwise None.

    An input that has another modification time but the same size is compared by its content, since copies have other times.
    """
    record = read_record(output, shard.name)
    if record is None or record.plan != plan:
        return None
    try:
        about, made = shard.source.stat(), (output / shard.name).stat()
        if (about.st_size, made.st_size) != (record.size, record.output_size):
            return None
        same = about.st_mtime_ns == record.mtime_ns or sha256_of(shard.source) == record.sha256
    except OSError:
        return None
    return record if same else None


def sha256_of(path: Path) -> str:
    """The sha256 sum over the content of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
