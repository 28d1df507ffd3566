"""Long texts with links: makes annotated texts of the Wikipedia articles in the wheel of gensim.

``pip download gensim==4.4.0 --no-deps``, then ``python benchmarks/wikipedia_sample.py WHEEL CATALOGUE OUTPUT``. Each article is
one text of paragraphs; headings, lists, tables, templates and notes are left out. A link to a page whose title an entity of
the catalogue has is a mention of it; any other link to an article is a mention without an entity. Only the file is read.

``--surnames`` adds, behind the first link to a person with a name of several words, up to three later places of the last word,
if no other link of the article has it: they mean the same person. Only these and the first links are mentions then.
"""

import argparse
import bz2
import html
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from elq.exchange.gold import title_of
from elq.reading.json_lines import read_jsonl

SAMPLE = "shortened.bz2"
LINK = re.compile(r"\[\[([^\[\]|]+)(?:\|([^\[\]]*))?\]\](\w*)")
OTHER_PAGE = re.compile(r"(?:File|Image|Category|Wikipedia|Wikt|Special|[a-z\-]{2,12}):")
NO_PROSE = re.compile(r"\s*(?:[=*#:;|!{}]|$|\[\[(?:File|Image|Category))")
SHORTEST = 60  # characters of a paragraph
NESTED = 8  # templates within templates
LATER = 3  # places of a surname
PERSON = "human"  # a type of the catalogue

Links = list[tuple[int, int, str]]  # start, end, title of the page


def prose(source: str) -> Iterator[str]:
    """The paragraphs of an article, in which only links have a markup."""
    text = re.sub(r"<!--.*?-->|<ref[^>/]*/>|<ref.*?</ref>", "", source, flags=re.DOTALL)
    text = re.sub(r"<(math|gallery|pre|code|nowiki|timeline)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    for _ in range(NESTED):
        text = re.sub(r"\{\{[^{}]*\}\}", "", text)
    for _ in range(NESTED // 2):
        text = re.sub(r"\{\|(?:(?!\{\||\|\}).)*\|\}", "", text, flags=re.DOTALL)
    text = html.unescape(re.sub(r"</?[a-zA-Z][^>]*>", "", text).replace("'''", "").replace("''", ""))
    for part in re.split(r"\n+", text):
        if not NO_PROSE.match(part):
            yield re.sub(r"\[https?://\S+ ?([^\]]*)\]", r"\1", part)


def linked(paragraph: str) -> tuple[str, Links]:
    """The text of a paragraph, and its links.

    >>> linked("He met [[Wayne Gretzky|Wayne]] in [[canada]].")
    ('He met Wayne in canada.', [(7, 12, 'Wayne Gretzky'), (16, 22, 'Canada')])
    """
    text, at, found = "", 0, []
    for match in LINK.finditer(paragraph):
        text += paragraph[at : match.start()]
        at = match.end()
        words = (match[1] if match[2] is None else match[2]) + match[3]
        if OTHER_PAGE.match(match[1]) or not words.strip():
            continue
        if title := title_of(match[1].split("#")[0]):
            found.append((len(text), len(text) + len(words), title))
        text += words
    return text + paragraph[at:], found


def articles(wheel: Path) -> Iterator[tuple[str, str, Links]]:
    """The title, the text and the links of each article."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(SAMPLE))
        content = bz2.decompress(archive.read(name))
    for _, page in ElementTree.iterparse(io.BytesIO(content)):
        if not page.tag.endswith("}page"):
            continue
        space = page.tag.removesuffix("page")
        title, source = page.findtext(f"{space}title") or "", page.findtext(f"{space}revision/{space}text") or ""
        page.clear()
        if source[:9].upper().startswith("#REDIRECT") or ":" in title[:12]:
            continue
        text, links = "", []
        for part in prose(source):
            words, found = linked(part)
            if "[[" not in words and "{{" not in words and len(words) >= SHORTEST:
                links += [(start + len(text), end + len(text), page_title) for start, end, page_title in found]
                text += f"{words}\n\n"
        yield title, text.rstrip(), links


def with_surnames(text: str, links: Links, people: set[str]) -> Links:
    """The first links to persons, and the later places of their surnames.

    >>> with_surnames("Jo Mo ate. Mo left.", [(0, 5, "Jo Mo")], {"Jo Mo"})
    [(0, 5, 'Jo Mo'), (11, 13, 'Jo Mo')]
    """
    found, seen = [], set()
    for start, end, title in links:
        *first, last = text[start:end].split() or [""]
        others = [one for one in links if one[2] != title and last in text[one[0] : one[1]].split()]
        if title not in people or title in seen or not first or others or not last.isalpha():
            continue
        seen.add(title)
        taken = [(left, right) for left, right, _ in links]
        alone = (match.span() for match in re.finditer(rf"(?<![A-Z]\. )(?<![A-Za-z]-)\b{last}\b(?! [A-Z])", text[end:]))
        places = [(end + left, end + right) for left, right in alone if not text[: end + left].split()[-1][:1].isupper()]
        free = [place for place in places if all(place[1] <= left or right <= place[0] for left, right in taken)][:LATER]
        found += [(start, end, title), *((left, right, title) for left, right in free)] if free else []
    return sorted(found)


def main() -> None:
    """Write the texts, and say how many there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--surnames", action="store_true")
    options = parser.parse_args()
    ids: dict[str, str] = {}
    people = set()
    for _, record in read_jsonl(options.catalogue):
        ids.setdefault(record["title"], record["id"])
        if PERSON in record["types"]:
            people.add(record["title"])
    texts = known = 0
    with options.output.open("w", encoding="utf-8") as stream:
        for title, text, every in articles(options.wheel):
            links = with_surnames(text, every, people) if options.surnames else every
            mentions = [{"start": s, "end": e, "entity": ids.get(page)} for s, e, page in links if e <= len(text)]
            if mentions:
                texts, known = texts + 1, known + sum(one["entity"] is not None for one in mentions)
                stream.write(f"{json.dumps({'id': title, 'text': text, 'mentions': mentions}, ensure_ascii=False)}\n")
    print(f"{texts} texts, {known} mentions with an entity")


if __name__ == "__main__":
    main()
