"""Links of articles: makes training questions of the paragraphs of Wikipedia, whose links are the mentions."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from elq.sources.source import Skips
from elq.sources.wikipedia import articles, item_of, redirects_of
from elq.types import Mention, Question

log = logging.getLogger(__name__)

PAGES = "/wiki/"
OTHER_PAGE = re.compile(r"[^\s:]+:\S")  # "File:Map.png", but not "2001: A Space Odyssey"
LONGEST = 2000  # characters of a paragraph; longer ones are mostly lists
Known = Callable[[str], bool]


def target_of(address: object) -> str:
    """The title of the page to which a link leads, with its first letter in capitals; "" if it is no page of the wiki.

    >>> target_of("https://en.wikipedia.org/wiki/Caf%C3%A9_au_lait#History"), target_of("./titanic"), target_of("#cite_note-1")
    ('Café au lait', 'Titanic', '')
    """
    if not isinstance(address, str):
        return ""
    path = urlsplit(address.removeprefix("./") if address.startswith("./") else address).path
    title = path.partition(PAGES)[2] if PAGES in path else path if address.startswith("./") else ""
    title = unquote(title).replace("_", " ").strip()
    return title[:1].upper() + title[1:]


def items_by_title(path: Path) -> dict[str, str]:
    """The Wikidata item of every title and redirect in a file of articles; all of them are held in memory."""
    items: dict[str, str] = {}
    others: dict[str, str] = {}
    for _, article in articles(path, Skips()):
        item, name = item_of(article), article.get("name")
        if item is not None and isinstance(name, str):
            items[name] = item
            others.update(dict.fromkeys(redirects_of(article), item))
    return {**others, **items}


def article_questions(path: Path, skips: Skips, known: Known | None = None) -> Iterator[Question]:
    """Yield a question for each paragraph that has a link to an entity.

    A link to a page that is not in the file, or whose entity is not known, is a mention without an entity (null). The first
    link to a page is a mention; names without a link are not annotated, so a training needs ``partial: true`` for such a file.

    Args:
        path: a file of articles. It is read twice.
        skips: counts what is left out.
        known: whether an id is in the catalogue; by default all are.
    """
    items = items_by_title(path)
    counts: Counter[str] = Counter()
    for place, article in articles(path, skips):
        identity = str(article.get("identifier", place))
        paragraphs = [part for section in _list(article, "sections") for part in _paragraphs(section)]
        for number, part in enumerate(paragraphs, 1):
            text = part["value"]
            mentions = _mentions(text, _list(part, "links"), items, known, skips, f"{place}: {article.get('name')!r}")
            if not any(mention.entity for mention in mentions):
                counts["without a link to an entity"] += 1
            elif len(text) > LONGEST:
                counts[f"of more than {LONGEST:,} characters"] += 1
            else:
                yield Question(f"{identity}-{number}", text, tuple(mentions))
    for reason, count in counts.items():
        log.info("%s: left out %s paragraphs %s", path, f"{count:,}", reason)


def _list(part: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = part.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _paragraphs(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The paragraphs within a section, in their order."""
    if part.get("type") == "paragraph" and isinstance(part.get("value"), str):
        yield part
    for inner in _list(part, "has_parts"):
        yield from _paragraphs(inner)


def _mentions(
    text: str, links: list[Mapping[str, Any]], items: Mapping[str, str], known: Known | None, skips: Skips, place: str
) -> list[Mention]:
    """The links of a paragraph as mentions. Their places are not in the file: each is looked for behind the one before."""
    mentions, behind = [], 0
    for link in links:
        anchor, title = link.get("text"), target_of(link.get("url"))
        if not isinstance(anchor, str) or not anchor.strip() or not title or (title not in items and OTHER_PAGE.match(title)):
            continue  # a reference, an image, or a page about the wiki
        anchor = anchor.strip()
        start = _find(text, anchor, behind)
        if start < 0:
            skips.add("links whose words are not in their paragraph (the paragraphs are kept)", place)
            continue
        behind, item = start + len(anchor), items.get(title)
        mentions.append(Mention(start, behind, item if item is not None and (known is None or known(item)) else None))
    return mentions


def _find(text: str, anchor: str, behind: int) -> int:
    """The place of an anchor as whole words, at or behind a place; -1 if there is none."""
    start = text.find(anchor, behind)
    while start >= 0 and (text[max(0, start - 1) : start].isalnum() and anchor[0].isalnum()):
        start = text.find(anchor, start + 1)
    return start
