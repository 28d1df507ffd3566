"""Sources: the list of the public files that a set is made of, with their checksums and licences.

The list is ``sources.tsv`` beside this module: set, layout (which module reads the file), repository, commit, path, git blob
id, bytes and licence. It has no test questions.
"""

import csv
from dataclasses import dataclass
from importlib import resources

LIST = resources.files("elq.public") / "sources.tsv"
SETS = {  # name → its parts besides the catalogue
    "webqsp": ("webqsp", "simplequestions", "mintaka"),
    "simplequestions": ("simplequestions",),
    "mintaka": ("mintaka",),
}
UNSTATED = "none stated"  # the licence of a repository that has none; its files are facts of Wikidata


@dataclass(frozen=True)
class Source:
    """One public file.

    Args:
        set: the part it belongs to: ``catalogue``, ``webqsp``, ``simplequestions`` or ``mintaka``.
        layout: the module that reads it, a key of elq/public/catalogue.py or elq/public/questions.py.
        repo: the repository, owner/name.
        commit: the commit that has this version of the file.
        path: its path in the repository.
        blob: its git blob id, which is the sha1 of its size and content.
        size: its bytes; 0: the list does not say.
        licence: what the repository says about its licence.
    """

    set: str
    layout: str
    repo: str
    commit: str
    path: str
    blob: str
    size: int
    licence: str

    @property
    def place(self) -> str:
        """Where the file lies below the folder of downloaded files. Two versions of one file have different places."""
        return f"{self.repo}/{self.commit[:12]}/{self.path}"


def sources(part: str) -> list[Source]:
    """The files of one set, in the order of the list."""
    with LIST.open(encoding="utf-8") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        read = [Source(**{**row, "size": int(row["size"] or 0)}) for row in rows]  # type: ignore[arg-type]
    return [source for source in read if source.set == part]
