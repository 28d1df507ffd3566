"""NIF writer: writes questions with their links or gold mentions as NIF 2.0, in Turtle or N-Triples."""

import json
from collections.abc import Sequence
from math import exp

from elq.exchange.iris import link_iri, question_iri
from elq.exchange.nif import NAMESPACES, Document, full_iri
from elq.files import whole
from elq.types import Link, Question

Annotation = tuple[int, int, str, float | None]  # start, end, IRI of the entity, confidence
Properties = list[tuple[str, str]]  # names and values, as Turtle writes them


class NifWriter:
    """Writes questions one after the other, so that a file of any length needs little memory.

    Args:
        form: "turtle" or "nt" (N-Triples).
        prefix: the beginning of the IRIs of entities, see :func:`elq.exchange.iris.entity_iri`.
        scores: whether a link has its probability as ``itsrdf:taConfidence``; without a calibration, exp(score).
    """

    def __init__(self, form: str = "turtle", *, prefix: str | None = None, scores: bool = False):
        self.turtle, self.prefix, self.scores = form == "turtle", prefix, scores
        self.uses: dict[str, int] = {}  # the IRI of a question, without its place → how often it was written

    def head(self) -> bytes:
        """What stands before the first question."""
        return "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in NAMESPACES.items() if self.turtle).encode()

    def links(self, question: Question, links: Sequence[Link]) -> bytes:
        """A question with its links, in UTF-8. Half a character (a lone surrogate) is written as U+FFFD."""
        annotations = [
            (one.start, one.end, link_iri(one.entity, one.mention, self.prefix), self._confidence(one)) for one in links
        ]
        return self._written(question, annotations)

    def gold(self, question: Question) -> bytes:
        """A question with its gold mentions, in UTF-8."""
        annotations: list[Annotation] = [
            (one.start, one.end, link_iri(one.entity, question.text[one.start : one.end], self.prefix), None)
            for one in question.mentions
        ]
        return self._written(question, annotations)

    def _confidence(self, link: Link) -> float | None:
        if not self.scores:
            return None
        return exp(link.score) if link.probability is None else link.probability

    def _written(self, question: Question, annotations: Sequence[Annotation]) -> bytes:
        text = whole(question.text)
        context, mention = self._iris(question, len(text))
        properties = [*self._kinds("nif:Context", "nif:RFC5147String"), *self._places(0, len(text))]
        written = [self._resource(context, [*properties, ("nif:isString", literal(text))])]
        for start, end, entity, confidence in annotations:
            properties = [*self._kinds("nif:Phrase", "nif:OffsetBasedString"), *self._places(start, end)]
            properties += [("nif:anchorOf", literal(text[start:end])), ("nif:referenceContext", f"<{context}>")]
            properties.append(("itsrdf:taIdentRef", f"<{entity}>"))
            if confidence is not None:
                properties.append(("itsrdf:taConfidence", f'"{confidence!r}"^^{self._name("xsd:double")}'))
            written.append(self._resource(f"{mention}offset_{start}_{end}", properties))
        return "".join(written).encode()

    def _iris(self, question: Question, length: int) -> tuple[str, str]:
        """The IRI of a question's context, and the beginning of the IRIs of its mentions. No two questions share them."""
        base = question.iri.partition("#")[0] if isinstance(question, Document) else question_iri(question.id)
        use = self.uses[base] = self.uses.get(base, 0) + 1
        if isinstance(question, Document):  # its context keeps the IRI that it had
            return question.iri, f"{base}#" if use == 1 else f"{base}#context_{use}_"
        base = question_iri(question.id, use)
        return f"{base}#char=0,{length}", f"{base}#"

    def _kinds(self, *names: str) -> Properties:
        return [("rdf:type", self._name(name)) for name in (*names, "nif:String")]

    def _places(self, start: int, end: int) -> Properties:
        kind = self._name("xsd:nonNegativeInteger")
        return [("nif:beginIndex", f'"{start}"^^{kind}'), ("nif:endIndex", f'"{end}"^^{kind}')]

    def _name(self, name: str) -> str:
        return name if self.turtle else f"<{full_iri(name)}>"

    def _resource(self, iri: str, properties: Properties) -> str:
        if self.turtle:
            return f"\n<{iri}>\n    " + " ;\n    ".join(f"{name} {value}" for name, value in properties) + " .\n"
        return "".join(f"<{iri}> {self._name(name)} {value} .\n" for name, value in properties)


def literal(text: str) -> str:
    """A text in quotation marks. The escapes of JSON are also those of Turtle and N-Triples.

    >>> print(literal('a "b"\\n'))
    "a \\"b\\"\\n"
    """
    return json.dumps(text, ensure_ascii=False)
