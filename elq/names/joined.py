"""Joined names: the names of several parts of a catalogue, as if they were stored together."""

from bisect import bisect_right
from collections.abc import Sequence

from elq.names.stored import StoredNames


class JoinedNames:
    """The names of several parts of a catalogue together; each name counts once.

    Args:
        parts: the parts in the order of their rows.
    """

    def __init__(self, parts: Sequence[StoredNames]) -> None:
        self._parts = parts
        self._firsts = [part.first for part in parts]
        self.longest = max(part.longest for part in parts)

    def __contains__(self, key: str) -> bool:
        return any(key in part for part in self._parts)

    def fame(self, row: int) -> float:
        """A number that is lower for more famous entities."""
        return self._parts[bisect_right(self._firsts, row) - 1].fame(row)

    def rows(self, key: str) -> list[int]:
        """The rows of the entities of a name, the most famous first; an empty list for words that are not a name."""
        found = [rows for part in self._parts if (rows := part.rows(key))]
        if len(found) < 2:
            return found[0] if found else []
        return sorted((row for rows in found for row in rows), key=lambda row: (self.fame(row), row))

    def names_before(self, text: str) -> set[int]:
        """The lengths of the names with which a text begins; some of them may be removed."""
        return set().union(*(part.names_before(text) for part in self._parts))

    def forms_before(self, text: str) -> set[int]:
        """The lengths of the other spellings of names with which a text begins."""
        return set().union(*(part.forms_before(text) for part in self._parts))

    def is_form(self, form: str) -> bool:
        """Whether a text may be a name or another spelling of one."""
        return any(part.is_form(form) for part in self._parts)

    def begins_form(self, start: str) -> bool:
        """Whether a name or another spelling of one may begin with a text."""
        return any(part.begins_form(start) for part in self._parts)

    def begins_name(self, start: str) -> bool:
        """Whether a name may begin with a text."""
        return any(part.begins_name(start) for part in self._parts)

    def titled(self, whole: str) -> list[int]:
        """The rows of the titles whose part after the comma is ``whole``."""
        return [row for part in self._parts for row in part.titled(whole)]

    def spelled(self, form: str, most: int) -> list[str] | None:
        """The names of which a form is another spelling; None if there are more than ``most``."""
        return _union([part.spelled(form, most) for part in self._parts], most)

    def count(self, order: str, start: str, after: str, most: int) -> int:
        """The number of names from ``start`` to ``after`` in an order; if there are more than ``most``, some larger number."""
        counts = [part.count(order, start, after, most) for part in self._parts]
        if max(counts) > most or sum(count > 0 for count in counts) < 2:
            return max(counts)
        both = self.between(order, start, after, most)  # a name may be in several parts
        return most + 1 if both is None else len(both)

    def between(self, order: str, start: str, after: str, most: int) -> list[str] | None:
        """The names that begin with ``start``, as they are written in an order; None if there are more than ``most``."""
        return _union([part.between(order, start, after, most) for part in self._parts], most)

    def beginning(self, order: str, start: str, after: str, most: int) -> list[str]:
        """The first ``most`` names from ``start`` to ``after``, as they are written in an order."""
        names = {name for part in self._parts for name in part.beginning(order, start, after, most)}
        return sorted(names, key=str.encode)[:most]


def _union(lists: Sequence[list[str] | None], most: int) -> list[str] | None:
    """The names of several lists, each once; None if a list is None, or if there are more than ``most``."""
    found: dict[str, None] = {}
    for names in lists:
        if names is None:
            return None
        found |= dict.fromkeys(names)
    return list(found) if len(found) <= most else None
