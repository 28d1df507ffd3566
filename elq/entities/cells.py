"""Cells: splits the lists of aliases and types that stand in one cell of a table."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
ESCAPE = re.compile(r"\\(['\"\\])")
SEMICOLON = re.compile(r"(&#?\w+;)|\s*;\s*")  # the semicolon of "&amp;" divides nothing
COMMA = re.compile(r",(?!\d)\s*")  # the comma of "10,000" divides nothing
SHORT_TYPE = 3  # words of a type at most, if a comma may divide types
WIKIDATA = re.compile(r"altlabels?", re.IGNORECASE)  # such columns of the Wikidata query service are comma-joined


@dataclass(frozen=True)
class Splitting:
    """How the cells of one column are split. ``cell`` is an example.

    ``separator`` divides the items of cells that are no list in brackets; "" if only those, or none, are lists. ``doubtful``
    says that the cell could also be read otherwise.
    """

    separator: str
    cell: str = ""
    doubtful: bool = False


def bracketed(cell: str) -> list[str] | None:
    """The items of a list as JSON, Python or numpy writes it; None if the cell is no such list.

    >>> bracketed('["a", "b"]'), bracketed("['it\\\\'s', 'b']"), bracketed("['a' 'b']"), bracketed("[sic]")
    (['a', 'b'], ["it's", 'b'], ['a', 'b'], None)
    """
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    try:
        items = json.loads(cell)
        return items if all(isinstance(item, str) for item in items) else None
    except (ValueError, RecursionError):
        pass
    inner = cell[1:-1]
    if QUOTED.sub("", inner).strip(", \t\r\n"):
        return None  # something stands outside the quotes
    return [ESCAPE.sub(r"\1", single or double) for single, double in QUOTED.findall(inner)]


def split_cell(cell: str, separator: str = "") -> list[str]:
    """The items of a cell: a list in brackets, or items with "|" between them, or with the separator of the column.

    >>> split_cell("RMS Titanic|Titan"), split_cell("Tom &amp; Jerry; T&J", ";"), split_cell("a, b", ",")
    (['RMS Titanic', 'Titan'], ['Tom &amp; Jerry', 'T&J'], ['a', 'b'])
    """
    if (items := bracketed(cell)) is not None:
        return items
    if "|" in cell:
        return cell.split("|")
    if separator == ";":
        return SEMICOLON.sub(lambda match: match[1] or "\n", cell).split("\n")
    if separator == ",":
        return COMMA.split(cell)
    return cell.split(separator) if separator else [cell]


def splitting_of(field: str, column: str, cells: Sequence[str]) -> Splitting | None:
    """How the cells of a column are split, judged from all of them; None if no cell looks like a list.

    Args:
        field: aliases or types.
        column: the name of the column in the file.
        cells: the values that are not empty.
    """
    lists = [cell for cell in cells if bracketed(cell) is not None]
    plain = [cell for cell in cells if bracketed(cell) is None]
    bars = [cell for cell in plain if "|" in cell]
    rest = [cell for cell in plain if "|" not in cell]
    lines, semicolons, commas = (
        [cell for cell in rest if len(split_cell(cell.strip(), separator)) > 1] for separator in ("\n", ";", ",")
    )
    if bars:
        unclear = next(iter(semicolons or commas), "")
        return Splitting("", unclear, doubtful=True) if unclear else Splitting("|", bars[0])
    if lines:
        return Splitting("\n", lines[0])
    if semicolons:
        clear = len(semicolons) > 1 or "; " in semicolons[0]
        return Splitting(";" if clear else "", semicolons[0], doubtful=not clear)
    if commas:
        clear = not lists and bool(WIKIDATA.search(column) or _looks_comma_joined(field, plain, commas))
        longest = max(commas, key=lambda cell: cell.count(",")) if clear else commas[0]
        return Splitting("," if clear else "", longest, doubtful=not clear)
    return Splitting("", lists[0]) if lists else None


def _looks_comma_joined(field: str, cells: Sequence[str], commas: Sequence[str]) -> bool:
    """Whether a column has lists with commas, and not names with a comma such as "Paris, Texas" or whole addresses."""
    parts = [split_cell(cell, ",") for cell in commas]
    items = [item.casefold() for part in parts for item in part]
    if field == "types":
        return all(len(item.split()) <= SHORT_TYPE for item in items)
    counts = {len(part) for part in parts}
    several = max(counts) > 2 and (len(counts) > 1 or len(commas) < len(cells))  # addresses have equally many parts
    different = len({*items}) >= 0.95 * len(items)  # in addresses, regions and countries recur
    return several and different and 2 * len(commas) >= len(cells)
