"""NIF: reads questions and gold mentions from NIF 2.0, the RDF format of GERBIL and its data sets.

A ``nif:Context`` is a question, with its text as ``nif:isString``. What refers to it by ``nif:referenceContext`` is a mention,
with ``nif:beginIndex`` and ``nif:endIndex`` in characters (code points), and the IRI of its entity as ``itsrdf:taIdentRef``. A
mention without an entity is *given*: its entity is asked for.
"""

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from elq.errors import ElqError
from elq.exchange.gold import GivenQuestion
from elq.exchange.iris import entity_of, is_foreign, legal_iri, question_id, question_iri
from elq.reading.lines import DAMAGED, format_of, opened, require_file
from elq.types import Mention

if TYPE_CHECKING:
    from rdflib import Graph
    from rdflib.term import Node

log = logging.getLogger(__name__)

NAMESPACES = {
    "nif": "http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#",
    "itsrdf": "http://www.w3.org/2005/11/its/rdf#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}
SAME_AS = "http://www.w3.org/2002/07/owl#sameAs"
PARTS = ("Sentence", "Paragraph", "Title", "Structure", "Word", "Context")  # of a text, which are no mentions
SUFFIXES = {
    "ttl": "turtle",
    "turtle": "turtle",
    "nif": "turtle",
    "nt": "nt",
    "n3": "n3",
    "rdf": "xml",
    "nq": "nquads",
    "trig": "trig",
}
BASE = "http://example.org/document"  # of relative IRIs in a document
DIGITS = 18  # of a place in a text
SHOWN = 200  # characters of a parser's message that ours shows
FRAGMENT = re.compile(r"#(?:char=|offset_)([0-9]+)[,_]([0-9]+)$")


def full_iri(name: str) -> str:
    """The IRI of a name with one of the prefixes of NAMESPACES.

    >>> full_iri("xsd:double")
    'http://www.w3.org/2001/XMLSchema#double'
    """
    prefix, _, local = name.partition(":")
    return NAMESPACES[prefix] + local


@dataclass(frozen=True, slots=True)
class Document(GivenQuestion):
    """A question that was read from NIF: ``iri`` names its context, and ``given`` are its mentions without an entity."""

    iri: str = ""


@dataclass(slots=True)
class Notes:
    """What a reader of NIF noticed: numbers of mentions, with one example for those of which the user is told."""

    mentions: int = 0
    foreign: list[str] = field(default_factory=list)  # IRIs of other knowledge bases
    wrong_text: list[str] = field(default_factory=list)  # mentions whose nif:anchorOf is not the text at their place
    unplaced: int = 0  # mentions without nif:beginIndex and nif:endIndex

    def tell(self, source: str) -> None:
        """Log a warning for each thing that the user should know."""
        if self.foreign:
            told = (
                "%s: %d of %d mentions have an entity without the prefix, such as %s: the whole IRI is kept as its id"
                " (--entity-prefix names the prefix of your catalogue's ids)"
            )
            log.warning(told, source, len(self.foreign), self.mentions, self.foreign[0])
        if self.wrong_text:
            told = (
                "%s: for %d of %d mentions, nif:anchorOf is not the text from nif:beginIndex to nif:endIndex, which counts: %s"
            )
            log.warning(told, source, len(self.wrong_text), self.mentions, self.wrong_text[0])
        if self.unplaced:
            log.warning("%s: %d mentions have no nif:beginIndex and nif:endIndex, and are left out", source, self.unplaced)


def is_nif(path: str | Path) -> bool:
    """Whether the suffix of a file is one of RDF, so that it is read as NIF."""
    return format_of(path) in SUFFIXES


def read_nif_file(path: str | Path, prefix: str | None = None) -> list[Document]:
    """Read the questions of a NIF file, in the order of the file, and log what is doubtful. The file may be compressed.

    Args:
        path: the file; its suffix says the serialisation: .ttl (Turtle), .nt, .n3, .rdf (XML),
            .nq or .trig; any other is read as Turtle.
        prefix: the beginning of the IRIs of entities, which is not a part of their ids; None: that of Wikidata.

    Raises:
        ElqError: the file is missing, is damaged, is not RDF, or contains no context with a text.
    """
    require_file(path, str(path), "give the path of a file in NIF")
    try:
        with opened(path) as stream:
            content = stream.read()
    except DAMAGED as error:
        raise ElqError(
            f"{path} could not be read ({error or type(error).__name__}): the file is damaged or incomplete, so get it again"
        ) from None
    documents, notes = read_nif(content, SUFFIXES.get(format_of(path), "turtle"), str(path), prefix)
    notes.tell(str(path))
    return documents


def read_nif(content: bytes, form: str, source: str, prefix: str | None = None) -> tuple[list[Document], Notes]:
    """Read the questions of a NIF document.

    Args:
        content: the document.
        form: the name that rdflib has for its serialisation, such as "turtle".
        source: what messages call the document.
        prefix: the beginning of the IRIs of entities, see :func:`read_nif_file`.

    Raises:
        ElqError: the document is not RDF, has no context with a text, or a mention is outside its text.
    """
    from rdflib import URIRef
    from rdflib.namespace import RDF

    graph, notes = _parsed(content, form, source), Notes()
    texts = {node: str(text) for node, text in graph.subject_objects(URIRef(full_iri("nif:isString")))}
    if not texts:
        raise ElqError(f"{source} has no nif:Context with a nif:isString, so there is no text: give a document in NIF 2.0")
    typed = graph.subjects(RDF.type, URIRef(full_iri("nif:Context")))  # in the order of the file
    in_order = dict.fromkeys((*(node for node in typed if node in texts), *texts))
    return [_document(graph, node, texts[node], source, prefix, notes) for node in in_order], notes


def _parsed(content: bytes, form: str, source: str) -> "Graph":
    from rdflib import Dataset, Graph

    logging.getLogger("rdflib.term").setLevel(logging.ERROR)  # otherwise it prints a traceback for every odd number
    graph = Dataset(default_union=True) if form in ("nquads", "trig") else Graph(bind_namespaces="none")
    try:
        graph.parse(data=content.removeprefix(b"\xef\xbb\xbf"), format=form, publicID=BASE)
    except Exception as error:  # the parsers of rdflib raise errors of many classes for a document that is wrong
        said = " ".join(str(error).split())[:SHOWN] or type(error).__name__
        raise ElqError(f"{source} is not valid RDF ({form}; {said}): correct it, or give the right format") from None
    return graph


def _document(graph: "Graph", node: "Node", text: str, source: str, prefix: str | None, notes: Notes) -> Document:
    """The question of one context."""
    from rdflib import URIRef
    from rdflib.namespace import RDF

    parts = {URIRef(full_iri(f"nif:{part}")) for part in PARTS}
    found, given = set(), set()
    for phrase in graph.subjects(URIRef(full_iri("nif:referenceContext")), node):
        entities = _entities(graph, phrase, prefix, notes)
        if not entities and (phrase == node or parts & set(graph.objects(phrase, RDF.type))):
            continue
        if (span := _span(graph, phrase)) is None:
            notes.unplaced += 1
            continue
        start, end = span
        if not 0 <= start < end <= len(text):
            raise ElqError(
                f"{source}: the mention {phrase} is at [{start}, {end}), which is empty or outside its text of"
                f" {len(text)} characters: correct it (characters are counted from 0, as code points)"
            )
        notes.mentions += 1
        anchor = graph.value(phrase, URIRef(full_iri("nif:anchorOf")))
        if anchor is not None and str(anchor) != text[start:end]:
            notes.wrong_text.append(f"{str(anchor)!r} and {text[start:end]!r}")
        found |= {Mention(start, end, entity) for entity in entities}
        if not entities:
            given.add(span)
    mentions = sorted(found, key=lambda one: (one.start, one.end, one.entity or ""))
    iri = legal_iri(str(node)) if isinstance(node, URIRef) else f"{question_iri(str(node))}#char=0,{len(text)}"
    return Document(question_id(iri), text, tuple(mentions), iri=iri, given=tuple(sorted(given)))


def _span(graph: "Graph", phrase: "Node") -> tuple[int, int] | None:
    """The characters of a phrase: from its indexes, else from its IRI."""
    from rdflib import URIRef

    values = [graph.value(phrase, URIRef(full_iri(name))) for name in ("nif:beginIndex", "nif:endIndex")]
    if None not in values and all(str(value).strip().isdecimal() for value in values):
        return _number(str(values[0])), _number(str(values[1]))
    in_iri = FRAGMENT.search(str(phrase))
    return (_number(in_iri[1]), _number(in_iri[2])) if in_iri else None


def _number(digits: str) -> int:
    """The number of digits. Of thousands of them, which Python refuses, the first say that it lies outside every text."""
    return int(digits.strip().lstrip("0")[:DIGITS] or "0")


def _entities(graph: "Graph", phrase: "Node", prefix: str | None, notes: Notes) -> list[str | None]:
    """The ids of the entities of a phrase. IRIs of several knowledge bases for one entity are told apart by the prefix."""
    from rdflib import URIRef

    refs = sorted({str(one) for one in graph.objects(phrase, URIRef(full_iri("itsrdf:taIdentRef")))})
    same = sorted({str(one) for ref in refs for one in graph.objects(URIRef(ref), URIRef(SAME_AS))})
    own = [[iri for iri in iris if not is_foreign(iri, prefix) and entity_of(iri, prefix) is not None] for iris in (refs, same)]
    if own[0] or own[1]:
        return [entity_of(iri, prefix) for iri in own[0] or own[1][:1]]
    if any(entity_of(iri, prefix) is None for iri in (*refs, *same)):
        return [None]
    kept = (same or refs)[:1]
    notes.foreign.extend(kept)
    return list(kept)
