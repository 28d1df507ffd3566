"""IRIs: writes the ids of entities and questions as IRIs of RDF, and reads them back."""

import re
from urllib.parse import quote, unquote

from elq.errors import ElqError
from elq.types import NIL, QID

WIKIDATA = "http://www.wikidata.org/entity/"
OWN = "urn:elq:entity:"  # the prefix of other ids if the user gives none
QUESTION = "urn:elq:question:"
NOT_IN_WIKI = "http://aksw.org/notInWiki"  # GERBIL's data sets write this for what no knowledge base has
OF_WIKIDATA = re.compile(r"https?://(?:www\.|m\.)?wikidata\.org/(?:entity|wiki)/(Q[0-9]+)")
SEGMENT = "!$&'()*,;=:@"  # characters that a segment of an IRI may have besides letters, digits and "-._~" (RFC 3986)
CHARACTER = (  # what an IRI may have (RFC 3987), without private and invisible characters; % only before two hexadecimal digits
    "(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=\\[\\]-]|%[0-9A-Fa-f]{2}|[\u00a0-\u1fff\u2070-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
    "\U00010000-\U0001fffd\U00020000-\U0002fffd])"
)
ABSOLUTE = re.compile(f"[A-Za-z][A-Za-z0-9+.-]*://{CHARACTER}+")
PREFIX = re.compile(f"[A-Za-z][A-Za-z0-9+.-]*:{CHARACTER}+")
ILLEGAL = re.compile('[\x00-\x20<>"{}|\\\\^`\x7f-\x9f\ud800-\udfff]')
PLACE = re.compile(r"#(?:char=[0-9]+,[0-9]*|offset_[0-9]+_[0-9]+)$")  # the end of a context's IRI


def check_prefix(prefix: str | None) -> str | None:
    """The prefix of entity IRIs, as it was given.

    Raises:
        ElqError: it is not the beginning of an IRI.
    """
    if prefix is not None and not PREFIX.fullmatch(prefix):
        raise ElqError(
            f"the entity prefix is {prefix!r}, but must be the beginning of an IRI: give one such as"
            " http://dbpedia.org/resource/, as --entity-prefix of a command or entity_prefix of a request"
        )
    return prefix


def entity_iri(entity: str, prefix: str | None = None) -> str:
    """The IRI of an entity.

    An id that is an IRI is written as it is. Any other id stands behind the prefix, and characters that an IRI may not have are
    percent-encoded.

    Args:
        entity: the id.
        prefix: the beginning of the IRI; None: that of Wikidata for Wikidata ids, and ``urn:elq:entity:`` for others.

    >>> entity_iri("Q42"), entity_iri('12" disc'), entity_iri("Café", "http://example.org/")
    ('http://www.wikidata.org/entity/Q42', 'urn:elq:entity:12%22%20disc', 'http://example.org/Caf%C3%A9')
    """
    if ABSOLUTE.fullmatch(entity) and is_foreign(entity, prefix):
        return entity
    return (prefix or (WIKIDATA if QID.fullmatch(entity) else OWN)) + _encoded(entity)


def entity_of(iri: str, prefix: str | None = None) -> str | None:
    """The id of the entity that an IRI means; None: the entity is in no knowledge base (NIL).

    An IRI without the prefix is an id itself. The prefix of Wikidata is only known if no other is given.

    >>> entity_of("http://www.wikidata.org/entity/Q42"), entity_of("http://dbpedia.org/resource/Peru")
    ('Q42', 'http://dbpedia.org/resource/Peru')
    >>> entity_of("http://dbpedia.org/resource/Caf%C3%A9", "http://dbpedia.org/resource/")
    'Café'
    """
    if iri.startswith(NOT_IN_WIKI):
        return None
    if prefix is not None:
        return _decoded(iri.removeprefix(prefix)) if iri.startswith(prefix) and iri != prefix else iri
    if found := OF_WIKIDATA.fullmatch(iri):
        return found[1]
    return _decoded(iri.removeprefix(OWN)) if iri.startswith(OWN) and iri != OWN else iri


def is_foreign(iri: str, prefix: str | None = None) -> bool:
    """Whether an IRI is that of another knowledge base, so that the whole IRI is the id."""
    if iri.startswith(NOT_IN_WIKI):
        return False
    if prefix is not None:
        return not iri.startswith(prefix) or iri == prefix
    return not OF_WIKIDATA.fullmatch(iri) and (not iri.startswith(OWN) or iri == OWN)


def link_iri(entity: str | None, mention: str, prefix: str | None = None) -> str:
    """The IRI of the entity of a link or a gold mention; NIL and None are ``http://aksw.org/notInWiki/`` with the mention.

    >>> link_iri(NIL, "Ada B.")
    'http://aksw.org/notInWiki/Ada%20B.'
    """
    if entity is None or entity == NIL:
        return f"{NOT_IN_WIKI}/{_encoded(mention)}"
    return entity_iri(entity, prefix)


def question_iri(identity: str, use: int = 1) -> str:
    """The IRI of a question without its place in the text. An id that is an IRI without "#" is written as it is.

    Args:
        identity: the id.
        use: 2 for a second question with the same id, and so on.

    >>> question_iri("7"), question_iri("http://example.org/d1"), question_iri("a b", 2)
    ('urn:elq:question:7', 'http://example.org/d1', 'urn:elq:question:a%20b;2')
    """
    if ABSOLUTE.fullmatch(identity) and "#" not in identity and use == 1:
        return identity
    return QUESTION + _encoded(identity).replace(";", "%3B") + (f";{use}" if use > 1 else "")


def question_id(iri: str) -> str:
    """The id of the question that a context describes.

    >>> question_id("urn:elq:question:a%20b#char=0,5"), question_id("http://example.org/d1#offset_0_7")
    ('a b', 'http://example.org/d1')
    """
    base = PLACE.sub("", iri)
    return _decoded(base.removeprefix(QUESTION).partition(";")[0]) if base.startswith(QUESTION) else base


def legal_iri(iri: str) -> str:
    """An IRI of a file, with the characters percent-encoded that no IRI may have."""
    return ILLEGAL.sub(lambda found: quote(found[0], errors="surrogatepass"), iri)


def _encoded(text: str) -> str:
    """A text as one segment of an IRI. Lone dots are encoded too, since "." and ".." mean folders."""
    made = quote(text, SEGMENT, errors="surrogatepass")
    return made.replace(".", "%2E") if not made.strip(".") else made


def _decoded(segment: str) -> str:
    try:
        return unquote(segment, errors="surrogatepass")
    except UnicodeDecodeError:  # percent-encoded bytes that are not UTF-8
        return segment
