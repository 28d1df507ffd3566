"""Makes the names of a few rows in memory, for tests."""

from collections.abc import Mapping, Sequence

from elq.names import lookup
from elq.names.writing import NameCollector, in_memory


def NameIndex(  # noqa: N802
    rows_of: Mapping[str, Sequence[int]], fame: Sequence[float], silent: frozenset[str], *, further: bool = False
) -> lookup.NameIndex:
    """The index of names that are given as name → rows."""
    names = NameCollector(silent=silent)
    for row, famous in enumerate(fame):
        names.add([name for name, rows in rows_of.items() if row in rows], famous)
    return lookup.NameIndex(in_memory(names), silent, further=further)
