"""RDF: reads thesauri (SKOS), ontologies and other entities from Turtle, N-Triples, RDF/XML and their relatives."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

from elq.errors import ElqError
from elq.reading.lines import DAMAGED, format_of, opened
from elq.sources.gathered import Gathered, no_label, rank_of
from elq.sources.joined import id_of
from elq.sources.source import Options, Record, Skips, Source, grouped
from elq.sources.vocabulary import (
    ALIASES,
    CODES,
    DEPRECATED,
    DESCRIPTIONS,
    EVERY,
    LABELS,
    NARROWER,
    NO_ENTITY,
    NODE_LABELS,
    NODE_TEXTS,
    PREFERRED,
    TYPES,
)

log = logging.getLogger(__name__)

FORMATS = {  # suffix → the name of the format in pyoxigraph
    "ttl": "TURTLE",
    "turtle": "TURTLE",
    "nt": "N_TRIPLES",
    "nq": "N_QUADS",
    "trig": "TRIG",
    "n3": "N3",
    "rdf": "RDF_XML",
    "owl": "RDF_XML",
    "xml": "RDF_XML",
    "skos": "RDF_XML",
    "jsonld": "JSON_LD",
    "json": "JSON_LD",
}
BASE = "file:///"  # the address of a file whose addresses are relative
WORDS = re.compile(r"[/#]([A-Z][A-Za-z]{2,})>$")  # the end of <http://schema.org/MusicGroup>
CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
LINES, TOGETHER = ("N_TRIPLES", "N_QUADS"), 10_000  # formats with one triple a line, and lines that are parsed together
STEP = 1000  # between the ranks of two predicates; the ranks of languages lie between
PLACE = {
    name: (field, place)
    for field, names in (("labels", LABELS), ("descriptions", DESCRIPTIONS))
    for place, name in enumerate(names)
}


@dataclass(slots=True)
class Subject:
    """What the triples say of one subject, as far as elq uses it."""

    known: Gathered = field(default_factory=Gathered)
    kinds: list[str] = field(default_factory=list)  # addresses of its types and of broader concepts
    nodes: list[tuple[str, str]] = field(default_factory=list)  # predicate and node, of labels in nodes
    preferred: bool = False  # whether it has a skos:prefLabel in any language
    deprecated: bool = False


class RdfSource(Source):
    """The entities of an RDF file: what has a name. If some have a skos:prefLabel, only these are entities.

    The statements that elq uses are gathered in memory, since those about one entity may stand anywhere in the file.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"languages", "id_prefix"})

    def records(self) -> Iterator[Record]:
        """Yield the records, in the order in which the subjects come first."""
        graph = Graph(self.options)
        for triple in triples(self.path, self.skips):
            graph.add(triple)
        yield from graph.records(self.skips)


def triples(path: Path, skips: Skips) -> Iterator[Any]:
    """The triples of a file, compressed or not. Broken lines of N-Triples and N-Quads are counted and passed over.

    Raises:
        ElqError: the file is not valid, or ends in the middle; the message has the line.
    """
    name = FORMATS.get(format_of(path)) or _format_by_content(path)
    with opened(path) as stream:
        try:
            yield from _of_lines(stream, name, skips) if name in LINES else _parsed(stream, name)
        except (SyntaxError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ElqError(
                f"{path} is not valid {name.replace('_', '-')} ({reason}): correct the file at that place, or get it again if"
                " it ends there"
            ) from None
        except DAMAGED as error:
            raise ElqError(
                f"{path} could not be read to its end ({error or type(error).__name__}): the file is damaged or incomplete, so"
                " get it again"
            ) from None


def _parsed(content: IO[bytes] | bytes, name: str) -> Iterator[Any]:
    import pyoxigraph

    yield from pyoxigraph.parse(content, format=getattr(pyoxigraph.RdfFormat, name), base_iri=BASE, lenient=True)


def _of_lines(stream: IO[bytes], name: str, skips: Skips) -> Iterator[Any]:
    """The triples of a format with one triple a line, many lines at a time."""
    number = 0
    for lines in grouped(stream, TOGETHER):
        try:
            found = [*_parsed(b"".join(lines), name)]
        except SyntaxError:
            found = []
            for place, line in enumerate(lines, number + 1):
                try:
                    found += _parsed(line, name)
                except SyntaxError as error:
                    skips.add("in lines that are not valid (statements, not records)", f"line {place}: {error.msg}")
        yield from found
        number += len(lines)


def _format_by_content(path: Path) -> str:
    with opened(path) as stream:
        head = stream.read(4096).decode("utf-8-sig", "replace").lstrip()
    if head.startswith(("<?xml", "<rdf:RDF", "<!DOCTYPE")):
        return "RDF_XML"
    return "JSON_LD" if head.startswith(("{", "[")) else "TURTLE"  # N-Triples are Turtle too


class Graph:
    """Gathers triples by subject.

    Args:
        options: the languages that are wanted, and the prefix that ids lose.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.subjects: dict[str, Subject] = {}
        self.texts: dict[str, list[tuple[str, str]]] = {}  # node → the texts in it, each with its language

    def add(self, triple: Any) -> None:
        """Take one triple."""
        name, value, identity = triple.predicate.value, triple.object, str(triple.subject)
        text = getattr(value, "value", "")  # an address has a value too, and a blank node
        literal = hasattr(value, "language")
        if name in NODE_TEXTS:
            if literal:
                self.texts.setdefault(identity, []).append((text, value.language or ""))
        elif name == NARROWER:
            self._subject(str(value)).kinds.append(identity)
        elif name in NODE_LABELS or (name in PLACE and not literal):
            self._subject(identity).nodes.append((NODE_LABELS.get(name, name), str(value)))
        elif literal and (name in PLACE or name in ALIASES or name in CODES or name == DEPRECATED):
            self._put(self._subject(identity), name, text, value.language or "")
        elif name in TYPES and not literal:
            self._subject(identity).kinds.append(str(value))

    def _subject(self, identity: str) -> Subject:
        subject = self.subjects.get(identity)
        if subject is None:
            subject = self.subjects[identity] = Subject()
        return subject

    def _put(self, subject: Subject, name: str, text: str, language: str) -> None:
        text, rank = " ".join(text.split()), rank_of(language, self.options.languages)
        subject.preferred |= name == PREFERRED
        if name == DEPRECATED:
            subject.deprecated = text in ("true", "1")
        elif name in CODES:
            subject.known.add_other(CODES[name], text)
        elif rank is None:
            if name in LABELS:
                subject.known.unwanted.add(language)
        elif name in ALIASES:
            subject.known.aliases.append(text)
        elif text:
            where, place = PLACE[name]
            getattr(subject.known, where).append((STEP * place + rank, text))

    def records(self, skips: Skips) -> Iterator[Record]:
        """The records of the subjects that are entities; the others are counted."""
        for subject in self.subjects.values():
            for name, node in subject.nodes:
                for text, language in self.texts.get(node, ()):
                    self._put(subject, name, text, language)
        preferred = any(subject.preferred for subject in self.subjects.values())
        told = False
        for identity, subject in self.subjects.items():
            if reason := self._no_entity(identity, subject, preferred):
                skips.add(reason, identity.strip("<>"))
                continue
            plain = identity[1:-1].removeprefix(BASE)
            if not told and id_of(plain, self.options.id_prefix) == plain:
                self._tell(plain)
            told = True
            yield subject.known.record(id_of(plain, self.options.id_prefix), self._kinds(subject))

    def _tell(self, address: str) -> None:
        cut = max(address.rfind("/"), address.rfind("#")) + 1
        log.info(
            "the ids are addresses such as %s: --id-prefix %s leaves %s", address, address[:cut], address[cut:] or "nothing"
        )

    def _no_entity(self, identity: str, subject: Subject, preferred: bool) -> str:
        """Why a subject is no entity; "" if it is one."""
        if what := next((NO_ENTITY[kind[1:-1]] for kind in subject.kinds if kind[1:-1] in NO_ENTITY), None):
            return f"of the kind {what}"
        if not identity.startswith("<"):
            return "without an id, since they are blank nodes"
        if subject.deprecated:
            return "marked as deprecated"
        if preferred and not subject.preferred:
            return "without a skos:prefLabel, which others in the file have"
        return "" if subject.known.labels else no_label(subject.known, self.options.languages)

    def _kinds(self, subject: Subject) -> list[str]:
        """The names of the types of a subject and of the concepts above it: their labels, or else words in their addresses."""
        found = []
        for kind in subject.kinds:
            above = self.subjects.get(kind)
            if kind[1:-1] in EVERY:
                continue
            if above is not None and above.known.labels:
                found.append(min(above.known.labels, key=lambda item: item[0])[1])
            elif kind.startswith("<") and (word := WORDS.search(kind)):
                found.append(CAPITAL.sub(" ", word[1]).lower())
        return found
