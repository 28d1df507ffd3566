"""Wikipedia: reads articles with their Wikidata items, in the layout of Wikimedia Enterprise and structured-wikipedia."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from elq.errors import ElqError
from elq.reading.json_lines import parse_json_line
from elq.reading.lines import opened, raw_lines
from elq.sources.source import Record, Skips, Source

KEYS = ("name", "main_entity")  # of every article with an item
COLUMNS = {"description": ("description", "abstract")}  # field → the keys that may have it, the preferred one first
INFOBOX = re.compile(r"^\s*infobox\s*:?\s*", re.IGNORECASE)
BROKEN = "in lines that are not valid JSON, which are cut or damaged"


class WikipediaSource(Source):
    """The articles of a file, one on each line: title, redirects, short description or first paragraph, kind of infobox.

    ``--columns description=abstract`` takes the first paragraph where there is a short description too.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"columns"})

    def records(self) -> Iterator[Record]:
        """Yield the records of the articles that have a Wikidata item, with constant memory."""
        keys = descriptions_of(self.options.columns)
        for place, article in articles(self.path, self.skips):
            if (item := item_of(article)) is None:
                self.skips.add("without a Wikidata item", f"{place}: {article.get('name')!r}")
            elif not (name := _text(article.get("name"))):
                self.skips.add("without a name", f"{place}: {item}")
            else:
                yield {
                    "id": item,
                    "title": name,
                    "label": name,
                    "description": next((text for key in keys if (text := _text(article.get(key)))), ""),
                    "aliases": redirects_of(article),
                    "types": _types(article),
                    "popularity": 0,
                    **({"url": url} if (url := _text(article.get("url"))) else {}),
                }


def descriptions_of(columns: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of an article that may have the description, the preferred one first.

    Raises:
        ElqError: a field is mapped that is not read from a key of the user's choice.
    """
    if wrong := [name for name in columns if name not in COLUMNS]:
        raise ElqError(
            f"--columns has {wrong[0]}={columns[wrong[0]]}, but of articles only the description can be chosen: give --columns"
            " description=abstract"
        )
    first = [columns["description"]] if "description" in columns else []
    return tuple(dict.fromkeys((*first, *COLUMNS["description"])))


def articles(path: Path, skips: Skips) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place and the object of each line. A line that is not valid JSON is counted.

    Raises:
        ElqError: the first line is not an article, or the file is damaged.
    """
    with opened(path) as stream:
        for number, raw in raw_lines(stream, str(path)):
            if not raw.strip():
                continue
            try:
                article = parse_json_line(raw, str(path), number)
            except ElqError:
                if number == 1:
                    raise
                skips.add(BROKEN, f"line {number}")
                continue
            if number == 1 and not article.keys() & {*KEYS}:
                raise ElqError(
                    f"{path}, line 1: the object has neither of the keys {' and '.join(KEYS)}, so it is no article in the"
                    " layout of Wikimedia Enterprise: give such a file, or another --kind"
                )
            yield f"line {number}", article


def item_of(article: Mapping[str, Any]) -> str | None:
    """The Wikidata item of an article; None if it has none."""
    entity = article.get("main_entity")
    item = entity.get("identifier") if isinstance(entity, dict) else None
    return item if isinstance(item, str) and item else None


def redirects_of(article: Mapping[str, Any]) -> list[str]:
    """The titles of the pages that lead to an article."""
    found = article.get("redirects")
    names = [_text(one.get("name")) for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    own = _text(article.get("name"))
    return [name for name in dict.fromkeys(names) if name and name != own]


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _types(article: Mapping[str, Any]) -> list[str]:
    """The kinds of the infoboxes of an article: "film" for "Infobox film"."""
    boxes = article.get("infoboxes")
    names = [_text(box.get("name")) for box in boxes if isinstance(box, dict)] if isinstance(boxes, list) else []
    return [kind for kind in dict.fromkeys(INFOBOX.sub("", name).replace("_", " ").lower() for name in names) if kind]
