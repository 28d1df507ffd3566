"""spaCy spans: writes links into a document of spaCy as spans and entities, and reads them again."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from spacy.tokens import Doc, Span

from elq.links import Links
from elq.types import Link

NAME = "elq"  # of the attributes doc._.elq and span._.elq
ENTITY = "ENTITY"  # the label of a span whose entity has no type

Placed = tuple[Link, Span]  # a link, and the tokens that have its characters


def register() -> None:
    """Register ``doc._.elq`` and ``span._.elq``."""
    Doc.set_extension(NAME, getter=links_of, force=True)
    Span.set_extension(NAME, getter=link_of, force=True)


def links_of(doc: Doc) -> Links:
    """The links of a document in reading order: ``doc._.elq``."""
    links = (link for _, _, start, end in _keys(doc) for _, link in _read(doc, start, end))
    return Links(sorted(links, key=lambda link: (link.start, link.end)), doc.text)


def link_of(span: Span) -> Link | None:
    """The link of a span: ``span._.elq``. Of several, it is the one to the entity of the span, or the one of the best score."""
    links = [link for _, link in _read(span.doc, span.start_char, span.end_char)]
    return max(links, key=lambda link: (link.entity == span.kb_id_, link.score), default=None)


def place(doc: Doc, links: Sequence[Link], label: str | None) -> list[Placed]:
    """The tokens of each link. A link that begins or ends inside a token has the whole token.

    Args:
        doc: the document.
        links: links of its text.
        label: the label of all spans; None: the first type of the entity.
    """
    placed: list[Placed] = []
    for link in links:
        own = label or next(filter(None, link.types), ENTITY)
        span = doc.char_span(link.start, link.end, label=own, kb_id=link.entity, alignment_mode="expand")
        placed += [] if span is None else [(link, span)]
    return placed


def store(doc: Doc, placed: Sequence[Placed], by: str) -> None:
    """Keep the links in the data of the document, so that ``doc._.elq``, ``span._.elq`` and ``doc.to_bytes`` have them.

    The places in them count from the span. So they stay right when spaCy joins documents, or makes a document of a span.

    Args:
        doc: the document.
        placed: the links and their spans.
        by: the name of the component. What it has stored before is replaced.
    """
    data = _data(doc)
    for key in _keys(doc):
        data[key] = [entry for entry in data[key] if entry[0] != by]
        if not data[key]:
            del data[key]
    for link, span in placed:
        first = span.start_char
        values = link.to_dict() | {"start": link.start - first, "end": link.end - first}
        data.setdefault(("._.", NAME, first, span.end_char), []).append([by, values])


def _data(doc: Doc) -> dict[Any, Any]:
    return cast(dict[Any, Any], doc.user_data)


def _keys(doc: Doc) -> list[tuple[str, str, int, int]]:
    """The keys of our data. They have the form of spaCy's own, so that spaCy moves them with the text."""
    return [key for key in _data(doc) if isinstance(key, tuple) and len(key) == 4 and key[:2] == ("._.", NAME)]


def _read(doc: Doc, first: int, end: int) -> Iterator[tuple[str, Link]]:
    """What components have stored for the characters [first, end)."""
    for by, values in _data(doc).get(("._.", NAME, first, end), ()):
        found: dict[str, Any] = values | {"start": values["start"] + first, "end": values["end"] + first}
        yield by, Link.from_dict(found)


def add_entities(doc: Doc, placed: Sequence[Placed]) -> None:
    """Add links to ``doc.ents`` where they overlap no entity. An entity of the same tokens without an id gets the id."""
    there = {(entity.start, entity.end): entity for entity in doc.ents}
    taken = {token for start, end in there for token in range(start, end)}
    for link, span in placed:
        entity = there.get((span.start, span.end))
        if entity is not None and not entity.kb_id:
            identify(entity, link.entity)
    doc.set_ents(_apart(placed, taken), default="unmodified")


def replace_entities(doc: Doc, placed: Sequence[Placed]) -> None:
    """Put links into ``doc.ents`` in place of the entities that they overlap; other entities stay."""
    new = _apart(placed, set())
    taken = {token for span in new for token in range(span.start, span.end)}
    left = []
    for entity in doc.ents:
        if taken.isdisjoint(range(entity.start, entity.end)):
            left.append(entity)
        else:
            identify(entity, "")
            for token in entity:
                token.ent_id_ = ""
    doc.set_ents([*new, *left])


def identify(entity: Span, name: str) -> None:
    """Give an entity of ``doc.ents`` the id of a catalogue's entity."""
    for token in entity:
        token.ent_kb_id_ = name


def _apart(placed: Sequence[Placed], taken: set[int]) -> list[Span]:
    """Spans that overlap neither each other nor the ``taken`` tokens. Of overlapping ones, the best score stays."""
    kept: list[Span] = []
    for _, span in sorted(placed, key=lambda pair: -pair[0].score):
        if taken.isdisjoint(tokens := range(span.start, span.end)):
            kept.append(span)
            taken.update(tokens)
    return kept
