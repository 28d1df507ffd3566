"""Download: downloads, checks and extracts the files of the released ELQ.

A file gets its name only after it has been checked. Source of the file names: the authors' release,
github.com/facebookresearch/BLINK, folder elq.
"""

import gzip
import logging
import re
import shutil
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from elq.downloads import SUMS, alone, base_address, digests, parse_sums, record, recorded
from elq.errors import ElqError
from elq.files import need_room, replacing_folder
from elq.progress import track
from elq.transfer import AGAIN, MB, About, Patience, neighbours, read_whole, receive

log = logging.getLogger(__name__)

OFFICIAL = "http://dl.fbaipublicfiles.com/"
BESIDES = (
    *("elq/elq_large_params.txt", "elq/entity.jsonl", "elq/entity_token_ids_128.t7", "elq/faiss_hnsw_index.pkl"),
    *("BLINK/all_entities_large.t7", "BLINK/faiss_flat_index.pkl"),
)
SETS = {
    "elq-wiki-large": ("elq/elq_wiki_large.bin", *BESIDES),
    "elq-webqsp-large": ("elq/elq_webqsp_large.bin", *BESIDES),
    "el4qa-data": ("elq/EL4QA_data.tar.gz",),
    "elq-wiki-training-data": ("elq/wiki_all_ents.tar.gz",),
}
ARCHIVE, STAMP = ".tar.gz", ".elq-archive-sha256"
MD5_ETAG = re.compile(r'"([0-9a-fA-F]{32})"')
PATIENCE = Patience()


def _choose(name: str, only: Sequence[str]) -> list[str]:
    """The paths of a set, or only those that ``only`` has, as a path or as a file name."""
    if name not in SETS:
        raise ElqError(f"{name!r} is not a set of files to download: choose one of {', '.join(SETS)}")
    chosen = [file for file in SETS[name] if not only or {file, PurePosixPath(file).name} & set(only)]
    known = {*SETS[name], *(PurePosixPath(file).name for file in SETS[name])}
    for wanted in only:
        if wanted not in known:
            raise ElqError(f"--only has {wanted!r}, but {name} has no such file: choose from {', '.join(SETS[name])}")
    return chosen


def _check(partial: Path, about: About, published: str | None, etag: bool) -> tuple[str, str]:
    """The sha256 of a complete file, and a sentence part that says what was compared.

    A file that differs from the server's SHA256SUMS is removed. A file that only differs from its ETag is kept, because some
    servers have ETags of 32 hexadecimal digits that are not an MD5.
    """
    sha256, md5 = digests(partial, ("sha256", "md5"))
    tag = MD5_ETAG.fullmatch(about.etag)
    kind, found, expected, source = "sha256", sha256, published, f"the server's {SUMS}"
    if published is None:
        if tag is None or not etag:
            return sha256, "only its size was compared, because the server has no checksum"
        kind, found, expected, source = "md5", md5, tag[1].lower(), "the server's ETag"
    if found != expected:
        remedy = f"remove {partial} and give the command again, or add --no-etag if this server's ETags are not MD5 checksums"
        if published is not None:
            partial.unlink()
            remedy = AGAIN
        raise ElqError(f"the file from {about.url} has the {kind} {found}, but {source} says {expected}: {remedy}")
    return sha256, f"its size and {kind} agree with the server"


def _provide(target: Path, url: str, published: dict[str, dict[str, str]], patience: Patience, etag: bool) -> str:
    """Download one file if it is not up to date, and return its sha256.

    ``published`` keeps the checksums of each folder on the server.
    """
    known = recorded(target.parent).get(target.name)
    if target.exists():
        if known is None:
            raise ElqError(f"{target} was not put there by `elq download`: move it away or give another --output")
        if digests(target, ["sha256"]) == [known]:
            log.info("%s is up to date: its sha256 is the one that was recorded after the download", target)
            return known
        log.warning("%s has changed since it was downloaded: it is downloaded again", target)
    folder, _, name = url.rpartition("/")
    if folder not in published:
        body = read_whole(f"{folder}/{SUMS}", target, patience, MB)
        published[folder] = parse_sums((body or b"").decode("utf-8", "replace"))
    about = receive(url, target, patience)
    partial, note = neighbours(target)
    sha256, compared = _check(partial, about, published[folder].get(name), etag)
    record(target, sha256)  # first, because a file without a record is never replaced
    partial.replace(target)
    note.unlink(missing_ok=True)
    log.info("%s: %s bytes; %s", target, f"{about.size:,}", compared)
    return sha256


def _extract(archive: Path, sha256: str) -> None:
    """Extract an archive into a folder of its name, which appears when it is complete.

    A folder that was extracted from the same archive is not changed.
    """
    folder = archive.with_name(archive.name.removesuffix(ARCHIVE))
    if folder.exists():
        if not (folder / STAMP).is_file():
            raise ElqError(f"{folder} was not put there by `elq download`: move it away or give another --output")
        if (folder / STAMP).read_text(encoding="utf-8", errors="replace").strip() == sha256:
            log.info("%s is up to date: it was extracted from the same archive", folder)
            return
    for left in archive.parent.glob(f".{folder.name}.*.tmp"):  # left over by an interrupted run
        shutil.rmtree(left)
    with replacing_folder(folder) as temporary:
        _unpack(archive, temporary)
        inner = temporary / folder.name
        if [*temporary.iterdir()] == [inner] and inner.is_dir():  # the archive already has a folder of this name
            inner.rename(aside := temporary / f".{folder.name}")
            for path in [*aside.iterdir()]:
                path.rename(temporary / path.name)
            aside.rmdir()
        (temporary / STAMP).write_text(f"{sha256}\n", encoding="utf-8")
    log.info("%s has the extracted files of %s", folder, archive.name)


def _unpack(archive: Path, folder: Path) -> None:
    remedy = "remove the archive and download it from another --mirror, or give --no-extract"
    try:
        with gzip.open(archive) as raw, tarfile.open(fileobj=raw, mode="r:") as tar:
            for member in track(tar, f"extracting {archive.name}"):
                for path in (member.name, member.linkname if member.issym() or member.islnk() else ""):
                    # the filter changes "/a" to "a", and the filters of older Pythons let chains of ".." links leave the folder
                    if path.startswith("/") or ".." in PurePosixPath(path).parts:
                        raise ElqError(f"{archive} has a member {member.name!r} whose path may be outside ({path!r}): {remedy}")
                need_room(archive, member.size)
                tar.extract(member, folder, filter="data")
            for block in iter(lambda: raw.read(MB), b""):  # read to the end, where gzip stores its checksum
                if block.strip(b"\0"):
                    raise tarfile.ReadError("it has bytes that belong to no member")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ElqError(f"{archive} cannot be extracted ({error}): {remedy}") from None


def download(
    name: str,
    output: str | Path | None = None,
    *,
    mirror: str = OFFICIAL,
    only: Sequence[str] = (),
    extract: bool = True,
    etag: bool = True,
    patience: Patience = PATIENCE,
) -> dict[Path, str]:
    """Download a set of files into one folder. Files that are up to date are kept, and an interrupted download resumes.

    A checksum shows damage in transfer, but not forgery, because file and checksum come from the same server.

    Args:
        name: a key of SETS.
        output: the folder, by default ``name``. Its ``SHA256SUMS`` records the downloaded files in the form of sha256sum(1).
        mirror: http or https address of a folder that has the same files.
        only: files of the set to download, as paths or file names; empty: all files.
        extract: whether to extract archives, each into a folder of its name.
        etag: whether to compare an ETag that looks like an MD5, if the server has no checksum.
        patience: seconds to wait for a server, and between attempts.

    Returns:
        Path of each file → its sha256.

    Raises:
        ElqError: the name is unknown, the address is bad, there is no connection, no such file or no disk space, a checksum is
            wrong, or an archive is damaged or has a path outside its folder.
    """
    files, base, output = _choose(name, only), base_address(mirror, OFFICIAL), Path(output or name)
    published: dict[str, dict[str, str]] = {}
    made = {}
    with alone(output):
        for file in files:
            target = output / PurePosixPath(file).name
            made[target] = _provide(target, base + file, published, patience, etag)
            if extract and file.endswith(ARCHIVE):
                _extract(target, made[target])
    return made
