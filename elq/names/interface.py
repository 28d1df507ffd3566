"""The interface of the names of a catalogue: what can be asked about them, stored in one part or in several."""

from collections.abc import Sequence
from typing import Protocol


class Names(Protocol):
    """The names of a catalogue. Several threads may use them."""

    longest: int  # words of the longest name

    def __contains__(self, key: str) -> bool:
        """Whether folded words are a name."""

    def fame(self, row: int) -> float:
        """A number that is lower for more famous entities."""

    def rows(self, key: str) -> Sequence[int]:
        """The rows of the entities of a name, the most famous first; none for words that are not a name."""

    def names_before(self, text: str) -> set[int]:
        """The lengths of the names with which a text begins; some of them may be removed."""

    def forms_before(self, text: str) -> set[int]:
        """The lengths of the other spellings of names with which a text begins."""

    def is_form(self, form: str) -> bool:
        """Whether a text may be a name or another spelling of one."""

    def begins_form(self, start: str) -> bool:
        """Whether a name or another spelling of one may begin with a text."""

    def begins_name(self, start: str) -> bool:
        """Whether a name may begin with a text."""

    def titled(self, whole: str) -> Sequence[int]:
        """The rows of the titles whose part after the comma is ``whole``."""

    def spelled(self, form: str, most: int) -> Sequence[str] | None:
        """The names of which a form is another spelling; None if there are more than ``most``."""

    def count(self, order: str, start: str, after: str, most: int) -> int:
        """The number of names from ``start`` to ``after`` in an order; if there are more than ``most``, some larger number.

        The orders are ``forward`` (names of several words), ``backward`` (the same, by their words from the last to the first)
        and ``single`` (names of one word).
        """

    def between(self, order: str, start: str, after: str, most: int) -> Sequence[str] | None:
        """The names from ``start`` to ``after``, as they are written in an order; None if there are more than ``most``."""

    def beginning(self, order: str, start: str, after: str, most: int) -> Sequence[str]:
        """The first ``most`` names from ``start`` to ``after``, as they are written in an order."""
