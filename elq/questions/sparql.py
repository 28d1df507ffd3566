"""The entities in a SPARQL query: finds the names that its triples have for entities."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

WIKIDATA = "http://www.wikidata.org/entity/"
SPACES = {  # what the names of entities begin with → which of them are entities
    WIKIDATA: re.compile(r"Q[1-9][0-9]*"),
    "http://dbpedia.org/resource/": re.compile(r".+"),
    "http://rdf.freebase.com/ns/": re.compile(r"[mg]\..+"),
}
KNOWN = {  # prefixes that queries use without declaring them
    "wd": WIKIDATA,
    "dbr": "http://dbpedia.org/resource/",
    "res": "http://dbpedia.org/resource/",
    "ns": "http://rdf.freebase.com/ns/",
}
DECLARED = re.compile(r"PREFIX\s+([\w-]*):\s*<([^<>]*)>", re.IGNORECASE)
WHOLE = re.compile(r"<([a-z]+:[^<>\s]+)>")
LITERAL = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|(?<![\w.)])'(?:[^'\\\n]|\\.)*'")
PART = r"(?!\.[A-Za-z][\w-]*:)[^\s{}\[\];,|^*+?<>\"()]"  # of a local name; a period before a prefix ends a triple
SHORT = re.compile(rf"(?<![\w:?$/-])([A-Za-z][\w-]*):((?:{PART})+(?:\([^\s()]*\))?(?:{PART})*)")


@dataclass(frozen=True)
class Name:
    """One name in a query.

    Args:
        forms: how a catalogue may write it: without its namespace, whole, and as in the query. Only an entity has the first.
        entity: whether it stands in a namespace of entities.
    """

    forms: tuple[str, ...]
    entity: bool


def _name(address: str, written: str) -> Name:
    for space, shape in SPACES.items():
        local = address.removeprefix(space)
        if local != address and shape.fullmatch(local):
            return Name(tuple(dict.fromkeys((local, unquote(local), address, written))), True)
    return Name(tuple(dict.fromkeys((address, written))), False)


def names(query: str) -> list[Name]:
    """The names in a SPARQL query, each once, in their order. Variables and texts are none.

    >>> [name.forms[0] for name in names('SELECT ?x { wd:Q76 wdt:P26 ?x . ?x rdfs:label "wd:Q5" }') if name.entity]
    ['Q76']
    """
    prefixes = {**KNOWN, **dict(DECLARED.findall(query))}
    body = LITERAL.sub(lambda match: " " * len(match[0]), DECLARED.sub(lambda match: " " * len(match[0]), query))
    found = [(match.start(), _name(match[1], match[1])) for match in WHOLE.finditer(body)]
    for match in SHORT.finditer(WHOLE.sub(lambda match: " " * len(match[0]), body)):
        prefix, local = match[1], match[2].rstrip(".").replace("\\", "")
        if prefix in prefixes and local:
            found.append((match.start(), _name(prefixes[prefix] + local, f"{prefix}:{local}")))
    return list(dict.fromkeys(name for _, name in sorted(found, key=lambda pair: pair[0])))
