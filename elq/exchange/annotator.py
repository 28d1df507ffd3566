"""Annotator: answers NIF documents with links, as GERBIL asks a linker."""

from collections.abc import Callable, Sequence

from elq.errors import ElqError
from elq.exchange.gold import GivenQuestion
from elq.exchange.nif_writer import NifWriter
from elq.types import Link, Question

MEDIA_TYPES = {"application/x-turtle": "turtle", "text/turtle": "turtle", "application/n-triples": "nt"}

Mentions = list[list[tuple[int, int]]]  # for each text, given mentions as characters [start, end)
LinkTexts = Callable[[list[str], Mentions | None], Sequence[Sequence[Link]]]  # without mentions, they are to be found


def written(
    questions: Sequence[Question],
    links: Sequence[Sequence[Link]],
    form: str,
    *,
    prefix: str | None = None,
    scores: bool = False,
) -> bytes:
    """The NIF document of questions and their links; see :class:`elq.exchange.nif_writer.NifWriter` for the arguments."""
    writer = NifWriter(form, prefix=prefix, scores=scores)
    return writer.head() + b"".join(writer.links(*pair) for pair in zip(questions, links, strict=True))


def form_of_media_type(media_type: str) -> str:
    """The serialisation that a media type names; its parameters do not count.

    Raises:
        ElqError: it is none of MEDIA_TYPES.

    >>> form_of_media_type("text/turtle; charset=utf-8")
    'turtle'
    """
    if (found := MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower())) is None:
        raise ElqError(f"the content type is {media_type!r}, but must be one of {', '.join(MEDIA_TYPES)}: send Turtle")
    return found


def link_documents(questions: Sequence[Question], link: LinkTexts) -> list[Sequence[Link]]:
    """Link questions at their given mentions and, where there are none, at the mentions that are found."""
    links: list[Sequence[Link]] = [()] * len(questions)
    for places, mentions in calls_for(questions):
        for place, found in zip(places, link([questions[place].text for place in places], mentions), strict=True):
            links[place] = found
    return links


def calls_for(questions: Sequence[Question]) -> list[tuple[list[int], Mentions | None]]:
    """The calls that link questions: for each, the places of its questions, and their given mentions; None: they are found.

    A given mention without a letter or a digit is left out, since a model cannot read it.
    """
    given = [place for place, question in enumerate(questions) if given_mentions(question)]
    others = [place for place, question in enumerate(questions) if not given_mentions(question)]
    readable = [
        [span for span in given_mentions(questions[place]) if _readable(questions[place].text, span)] for place in given
    ]
    calls: list[tuple[list[int], Mentions | None]] = [(others, None), (given, readable)]
    return [call for call in calls if call[0]]


def given_mentions(question: Question) -> tuple[tuple[int, int], ...]:
    """The mentions of a question whose entities are asked for, as characters [start, end)."""
    return question.given if isinstance(question, GivenQuestion) else ()


def _readable(text: str, span: tuple[int, int]) -> bool:
    return any(character.isalnum() for character in text[slice(*span)])
