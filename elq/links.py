"""The links of one question or of several: lists that a notebook can show, and that become dictionaries and tables."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from elq.errors import ElqError
from elq.types import Link, in_html, marked

if TYPE_CHECKING:
    import pandas

COLUMNS = ("question", "text", "start", "end", "mention", "entity", "title", "probability", "score")  # of a table of links
NUMBERS = {"question": "int64", "start": "int64", "end": "int64", "probability": "float64", "score": "float64"}


class Links(list[Link]):
    """The links of one question: a list of :class:`elq.types.Link` that knows its text.

    It equals any list of the same links. Slices and sums of it are plain lists.

    Args:
        links: the links.
        text: the question.

    >>> links = Links([Link(8, 12, "peru", "Q419", "Peru", "country", -0.25, probability=0.934)], "what is peru?")
    >>> links, links.text
    ([Link(Q419 'Peru' at 8:12 'peru', p .93)], 'what is peru?')
    """

    __slots__ = ("text",)

    def __init__(self, links: Iterable[Link] = (), text: str = "") -> None:
        super().__init__(links)
        self.text = text

    def to_dict(self) -> dict[str, Any]:
        """The text and its links as plain values, which can be written as JSON."""
        return {"text": self.text, "links": [link.to_dict() for link in self]}

    def to_pandas(self) -> "pandas.DataFrame":
        """The links as a table of pandas with one row for each link, see :meth:`LinkedQuestions.to_pandas`."""
        return LinkedQuestions([self]).to_pandas()

    def _repr_html_(self) -> str:
        """The question as a notebook shows it: the mentions are marked, and each link stands below."""
        return f"<div>{self._marked_text()}{''.join(link._repr_html_() for link in self) or '<small>no link</small>'}</div>"

    def _marked_text(self) -> str:
        if not self.text:
            return ""
        shown, at = "", 0
        for link in sorted(self, key=lambda link: (link.start, -link.end)):
            if link.start >= at:  # given mentions may overlap; each of them has its line below
                shown += in_html(self.text[at : link.start]) + marked(self.text[link.start : link.end])
                at = link.end
        return f'<p dir="auto" style="white-space:pre-wrap;margin:.6em 0 .2em">{shown}{in_html(self.text[at:])}</p>'


class LinkedQuestions(list[list[Link]]):
    """The links of several questions: a list with one :class:`Links` for each question, in their order."""

    __slots__ = ()

    if TYPE_CHECKING:  # it is used wherever a list[list[Link]] is, and its items are Links

        def __init__(self, links: Iterable[Links] = ()) -> None: ...
        def __iter__(self) -> Iterator[Links]: ...
        @overload
        def __getitem__(self, place: SupportsIndex, /) -> Links: ...
        @overload
        def __getitem__(self, place: slice, /) -> list[list[Link]]: ...
        def __getitem__(self, place: SupportsIndex | slice, /) -> Links | list[list[Link]]: ...

    def to_pandas(self) -> "pandas.DataFrame":
        """The links as a table of pandas with one row for each link; a question without a link has no row.

        Returns:
            A table with the columns ``question`` (the place of the question, counted from 0), ``text``, ``start``, ``end``,
            ``mention``, ``entity``, ``title``, ``probability`` (NaN if the link has none) and ``score``.

        Raises:
            ElqError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise ElqError("a table needs pandas, which is not installed: pip install 'elq[pandas]'") from None
        rows = [
            (number, self[number].text, *(getattr(link, column) for column in COLUMNS[2:]))
            for number in range(len(self))
            for link in self[number]
        ]
        return pandas.DataFrame(rows, columns=[*COLUMNS]).astype(NUMBERS)

    def _repr_html_(self) -> str:
        """The questions as a notebook shows them, one below the other."""
        return f"<div>{''.join(links._repr_html_() for links in self)}</div>"
