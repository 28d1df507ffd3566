"""Download: fetches the public files of a set, and makes a catalogue and question files in elq's formats from them.

The set ``webqsp`` has all files that ``experiment=webqsp`` needs. The fetched files stay in the folder ``sources``, so that a
second call need not fetch them again.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elq.configuration.data_folder import DOWNLOADED
from elq.downloads import SUMS, alone, base_address, digests, record, recorded
from elq.errors import ElqError
from elq.files import replacing
from elq.progress import track
from elq.public import mintaka, simplequestions, webqsp
from elq.public.catalogue import entities
from elq.public.fetching import Addresses, fetch
from elq.public.sources import SETS, UNSTATED, Source, sources
from elq.questions.silver import dictionary_of
from elq.transfer import Patience
from elq.types import Entity

log = logging.getLogger(__name__)

CATALOGUE, SOURCES = "catalogue.jsonl", "sources"
FIELDS = ("id", "title", "label", "description", "aliases", "types", "popularity")
Records = dict[str, list[dict[str, Any]]]  # file name → its records


def _simplequestions(paths: Sequence[Path], catalogue: Sequence[Entity]) -> Records:
    rows = {entity.id: row for row, entity in enumerate(catalogue)}
    with dictionary_of(track(catalogue, "collecting the names")) as dictionary:
        return simplequestions.read(paths, frozenset(rows), lambda text, identity: dictionary.spans_of(text, rows[identity]))


PARTS: dict[str, Callable[[Sequence[Path], Sequence[Entity]], Records]] = {
    "webqsp": lambda paths, catalogue: webqsp.read(paths, frozenset(entity.id for entity in catalogue)),
    "simplequestions": _simplequestions,
    "mintaka": lambda paths, catalogue: mintaka.read(paths, frozenset(entity.id for entity in catalogue)),
}


def _refuse_foreign(output: Path, names: Iterable[str]) -> None:
    """Refuse to replace a file that no download has put there."""
    for name in names:
        if (output / name).exists() and name not in recorded(output):
            raise ElqError(f"{output / name} was not put there by `elq download`: move it away or give another --output")


def _write(path: Path, records: Iterable[Mapping[str, Any]]) -> str:
    """Write JSON lines under a temporary name, record the checksum, and give the file its name. Returns the checksum."""
    _refuse_foreign(path.parent, [path.name])
    finished = path.with_name(f".{path.name}.new")
    with replacing(finished) as stream:
        stream.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
    [sha256] = digests(finished, ["sha256"])
    record(path, sha256)  # first, because a file without a record is never replaced
    finished.replace(path)
    return sha256


def _tell_licences(used: Sequence[Source]) -> None:
    by_licence: dict[str, set[str]] = {}
    for source in used:
        by_licence.setdefault(source.licence, set()).add(source.repo)
    for licence, repos in by_licence.items():
        log.info("licence of %s: %s", ", ".join(sorted(repos)), licence)
    if any(source.licence.startswith(UNSTATED) for source in used):
        log.info("the files without a stated licence have facts of Wikidata (CC0): labels, descriptions, aliases and types")


def _catalogue(files: Mapping[Source, Path]) -> list[Entity]:
    layouts: dict[str, list[Path]] = {}
    for source, path in files.items():
        layouts.setdefault(source.layout, []).append(path)
    return entities(layouts)


def _tell_questions(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    spans = [mention for one in records for mention in one["mentions"]]
    missing = sum(mention["entity"] is None for mention in spans)
    told = "%s: %s questions with %s mentions, of which %s have an entity that is not in the catalogue"
    log.info(told, path, *(f"{number:,}" for number in (len(records), len(spans), missing)))


def download(
    name: str, output: str | Path | None = None, *, mirror: str | None = None, patience: Patience | None = None
) -> dict[Path, str]:
    """Download a set: a catalogue and question files.

    Args:
        name: a key of SETS.
        output: the folder, by default ``runs/public``. Its ``SHA256SUMS`` records the files that were made.
        mirror: http or https address of a folder that has the files as REPOSITORY/COMMIT/PATH, and as
            repos/REPOSITORY/git/blobs/BLOB; by default GitHub.
        patience: seconds to wait for a server, and between attempts.

    Returns:
        Path of each file → its sha256.

    Raises:
        ElqError: the address is bad, there is no connection, no such file or no disk space, the content of a file is not the
            one in the list, or a file is in the way.
    """
    folder, waiting = Path(output or DOWNLOADED), patience or Patience()
    base = base_address(mirror, Addresses.paths) if mirror is not None else ""
    addresses = Addresses(base, base) if base else Addresses()
    made: dict[Path, str] = {}
    with alone(folder):
        _refuse_foreign(folder, [CATALOGUE])
        used = sources("catalogue")
        _tell_licences([*used, *(source for part in SETS[name] for source in sources(part))])
        log.info("fetching %d files of the catalogue, %s bytes", len(used), f"{sum(one.size for one in used):,}")
        catalogue = _catalogue(fetch(used, folder / SOURCES, addresses, waiting, "fetching the catalogue"))
        target = folder / CATALOGUE
        made[target] = _write(target, ({field: asdict(one)[field] for field in FIELDS} for one in catalogue))
        log.info("%s: %s entities", target, f"{len(catalogue):,}")
        for part in SETS[name]:
            files = fetch(sources(part), folder / SOURCES, addresses, waiting, f"fetching {part}")
            for file, records in PARTS[part]([*files.values()], catalogue).items():
                target = folder / file
                made[target] = _write(target, records)
                _tell_questions(target, records)
    log.info("the checksums of these files are in %s; the fetched files in %s may be removed", folder / SUMS, folder / SOURCES)
    return made
