"""How links are shown to a person: as plain text, and with colours on a terminal."""

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import TextIO

from elq.types import Link, Question

DESCRIPTION = 120  # characters of a description that are shown
LIKELY = 0.5  # from this probability on, a link is shown in green, and below it in yellow
MENTION, ENTITY, UNSURE, SURE, QUIET = "bold cyan", "cyan", "yellow", "green", "dim"  # styles of rich


def as_text(question: Question, links: Sequence[Link]) -> str:
    """The question with its mentions in brackets, and one line for each link.

    A link shows its probability; one without (the model has no calibration, or it is a link to NIL) shows its score.

    >>> link = Link(8, 12, "peru", "Q419", "Peru", "country in South America", -0.25, probability=0.934)
    >>> print(as_text(Question("1", "what is peru?"), [link]))
    what is [peru]?
      peru → Q419  Peru  country in South America  (probability 0.93)
    """
    return "".join(text for text, _ in _pieces(question, links))


def as_coloured(question: Question, links: Sequence[Link]) -> str:
    """The same characters as :func:`as_text`, with the escape sequences of a terminal between them."""
    from rich.color import ColorSystem
    from rich.style import Style

    pieces = _pieces(question, links)
    return "".join(Style.parse(style).render(text, color_system=ColorSystem.STANDARD) for text, style in pieces)


def has_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours, and its user has not switched them off (``NO_COLOR``)."""
    if not stream.isatty():
        return False
    from rich.console import Console

    console = Console(file=stream)
    return console.color_system is not None and not (console.no_color or console.legacy_windows)


def _pieces(question: Question, links: Sequence[Link]) -> Iterator[tuple[str, str]]:
    """The parts of the text for a question, each with its style."""
    at = 0
    for link in links:
        yield _writable(question.text[at : link.start]), ""
        yield _writable(f"[{link.mention}]"), MENTION
        at = link.end
    yield _writable(question.text[at:]), ""
    for link in links:
        yield "\n  ", ""
        yield _writable(link.mention), MENTION
        yield " → ", ""
        yield _writable(link.entity), ENTITY
        about = shorten(link.description, DESCRIPTION, placeholder=" …")
        for text, style in ((link.title, ""), (about, QUIET), _sure(link)):
            if text:
                yield "  ", ""
                yield _writable(text), style


def _sure(link: Link) -> tuple[str, str]:
    """The probability of a link, or its score, with the style."""
    if link.probability is None:
        return f"(score {link.score:.3f})", QUIET
    return f"(probability {link.probability:.2f})", SURE if link.probability >= LIKELY else UNSURE


def _writable(text: str) -> str:
    """The text without lone surrogates, which are half a character and cannot be written."""
    return text.encode("utf-8", "replace").decode()
