"""AIDA-CoNLL: reads documents of tokens with links to Wikipedia, one token on a line.

``-DOCSTART- (1 EU)`` begins a document, and an empty line ends a sentence. A token of a mention has further columns behind
tabs: B or I, the whole mention, the entity of YAGO (``--NME--``: it has none), the address and the id of its page in Wikipedia,
and its id in Freebase. The columns from the address on may be missing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from elq.errors import ElqError
from elq.exchange.gold import Annotated, Gold, title_of
from elq.reading.lines import decoded, opened, raw_lines, require_file

DOCUMENT = "-DOCSTART-"
NAME = re.compile(r"\((.*)\)\s*$")
NO_ENTITY = ("--NME--", "--OOKBE--", "NIL", "")
ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")  # YAGO writes characters that are no letters so
PAGE = re.compile(r"https?://[^/]+/wiki/(.+)")
PLAIN, LEAST = 1, 4  # columns of a token outside and inside a mention


@dataclass(slots=True)
class Growing:
    """A document while its lines are read."""

    id: str
    tokens: list[str] = field(default_factory=list)
    mentions: list[tuple[int, int, Gold]] = field(default_factory=list)  # tokens [first, after), and the entity
    inside: tuple[str, Gold] | None = None  # the mention of the token before: its words and its entity

    def add(self, token: str, tag: str, words: str, gold: Gold) -> None:
        """Add a token; ``tag`` is B, I or O."""
        place = len(self.tokens)
        self.tokens.append(token)
        if tag == "O":
            self.inside = None
        elif tag == "I" and self.inside == (words, gold):
            self.mentions[-1] = (self.mentions[-1][0], place + 1, gold)
        else:  # also an I behind another mention, or behind none
            self.mentions.append((place, place + 1, gold))
            self.inside = (words, gold)

    def done(self) -> Annotated:
        """The document as a text: its tokens with one blank between them."""
        starts, at = [], 0
        for token in self.tokens:
            starts.append(at)
            at += len(token) + 1
        spans = ((starts[first], starts[after - 1] + len(self.tokens[after - 1]), gold) for first, after, gold in self.mentions)
        return Annotated(self.id, " ".join(self.tokens), tuple(spans))


def read_aida(path: str | Path) -> Iterator[Annotated]:
    """Read the documents of a file, which may be compressed.

    Raises:
        ElqError: the file is missing, does not begin with a document, or a line has another number of columns.
    """
    require_file(path, str(path), "give a file in the format of AIDA-CoNLL")
    with opened(path) as stream:
        document: Growing | None = None
        for number, raw in raw_lines(stream, str(path)):
            line = decoded(raw, str(path), number).rstrip("\r\n")
            if line.startswith(DOCUMENT):
                if document is not None and document.tokens:
                    yield document.done()
                found = NAME.search(line)
                document = Growing(found[1].strip() if found else str(number))
            elif document is None and line.strip():
                raise ElqError(f"{path}, line {number}: the file begins with {line[:60]!r}, but must begin with {DOCUMENT}")
            elif document is not None and line.strip():
                document.add(*_columns(line, f"{path}, line {number}"))
            elif document is not None:
                document.inside = None
    if document is not None and document.tokens:
        yield document.done()


def _columns(line: str, place: str) -> tuple[str, str, str, Gold]:
    """The token, its tag (B, I or O), the words and the entity of its mention."""
    token, *rest = (column.strip() for column in line.split("\t"))
    tag = rest[0][:1].upper() if rest else "O"
    if not token or " " in token or tag not in ("B", "I", "O") or (tag != "O" and len(rest) + 1 < LEAST):
        raise ElqError(
            f"{place}: the line is {line[:60]!r}, but must be a token, or behind tabs a token, B or I, the mention and its"
            " entity of YAGO: correct the line"
        )
    return (token, tag, "", Gold()) if tag == "O" else (token, tag, rest[1], gold_of(rest[2:]))


def gold_of(columns: list[str]) -> Gold:
    """The entity of the columns of YAGO and Wikipedia: the title of its page in Wikipedia, else the name in YAGO.

    >>> gold_of(["Caf\\\\u00e9_X", "http://en.wikipedia.org/wiki/Caf%C3%A9_X", "7"]).titles
    ('Café X',)
    """
    yago, page = columns[0], PAGE.fullmatch(columns[1]) if len(columns) > 1 else None
    titles = [title_of(unquote(page[1]))] if page else []
    if yago not in NO_ENTITY:
        titles.append(title_of(ESCAPED.sub(lambda code: chr(int(code[1], 16)), yago)))
    return Gold(titles=tuple(dict.fromkeys(titles)))
