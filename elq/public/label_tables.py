"""Label tables: a file of labels, one of descriptions and one of aliases; each line is an id, a tab and the value.

A cell of aliases is a list with commas. It has quotes around it, and doubled quotes inside, if an alias has a quote.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from elq.public.facts import Facts

FIELDS = {"labels": "label", "descriptions": "description", "aliases": "aliases"}  # a word of the file's name → the field


def _table(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        pairs = (line.rstrip("\r\n").partition("\t") for line in stream)
        return {identity: value.strip() for identity, _, value in pairs if identity}


def _aliases(cell: str, label: str) -> tuple[str, ...]:
    """The aliases in a cell. A name is no alias of itself, so that a part equal to the label belongs to the next part.

    >>> _aliases("Bostonia, Boston, Massachusetts", "Boston")
    ('Bostonia', 'Boston, Massachusetts')
    >>> _aliases('"Jimbo, Jimmy ""Jimbo"" Wales"', "Jimmy Wales")
    ('Jimbo', 'Jimmy "Jimbo" Wales')
    """
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        cell = cell[1:-1].replace('""', '"')
    made: list[str] = []
    for part in cell.split(", "):
        if made and made[-1] == label:
            made[-1] = f"{label}, {part}"
        else:
            made.append(part)
    return tuple(made)


def read(paths: Sequence[Path]) -> Iterator[Facts]:
    """The facts in the tables of one data set."""
    tables = {field: _table(path) for path in paths for word, field in FIELDS.items() if word in path.stem}
    labels, descriptions, aliases = (tables.get(field, {}) for field in FIELDS.values())
    for identity in dict.fromkeys((*labels, *descriptions)):
        label = labels.get(identity, "")
        names = _aliases(aliases[identity], label) if identity in aliases else ()
        yield Facts(identity, "", label, descriptions.get(identity, ""), names)
