"""Items of Wikidata: makes a record of an item's labels, aliases, page titles and statements."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from elq.sources.redirects import Redirects
from elq.sources.source import Options, Record, Skips

ANY_LANGUAGE = "mul"  # the language of labels that are the same in many languages
INTERNAL = {  # what P31 says of pages that serve Wikimedia itself
    "Q4167410": "disambiguation page",
    "Q22808320": "disambiguation page of human names",
    "Q15407973": "category of disambiguations",
    "Q4167836": "category",
    "Q24046192": "category of stubs",
    "Q11266439": "template",
    "Q11753321": "navigation template",
    "Q20769287": "set of templates",
    "Q15184295": "module",
    "Q14204246": "project page",
    "Q15647814": "administration category",
    "Q17633526": "Wikinews article",
    "Q17362920": "duplicated page",
    "Q21286738": "permanent duplicate",
    "Q13406463": "list article",
}


def terms(value: object, language: str) -> list[str]:
    """The texts of one language in labels, descriptions or aliases of any form: by language, or a list with languages.

    >>> terms({"en": {"language": "en", "value": "Berlin"}}, "en"), terms({"en": "Berlin"}, "de")
    (['Berlin'], [])
    >>> terms({"en": [{"language": "en", "value": "Berlin"}]}, "en"), terms([{"language": "en", "value": "Ex"}], "en")
    (['Berlin'], ['Ex'])
    """
    if isinstance(value, dict):
        found = value.get(language)
        entries = found if isinstance(found, list) else [found]
    elif isinstance(value, list):
        entries = [one for one in value if isinstance(one, dict) and one.get("language") == language]
    else:
        return []
    texts = (one.get("value") if isinstance(one, dict) else one for one in entries)
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]


def statements(item: Mapping[str, Any], key: str, *, best: bool = True) -> Iterator[str]:
    """The values of one property as texts: ids of entities, or what a value of another kind says.

    Statements that say "unknown value" or "no value" have none, and those that are deprecated count as wrong.

    Args:
        item: the item.
        key: the property, such as P31.
        best: leave out normal statements if others are preferred.
    """
    claims = item.get("claims") or item.get("statements")
    found = claims.get(key) if isinstance(claims, dict) else None
    kept = (
        [one for one in found if not (isinstance(one, dict) and one.get("rank") == "deprecated")]
        if isinstance(found, list)
        else []
    )
    preferred = [one for one in kept if isinstance(one, dict) and one.get("rank") == "preferred"]
    for one in (best and preferred) or kept:
        if text := one if isinstance(one, str) else _value_text(one):
            yield text


def _value_text(statement: object) -> str:
    """The value of a statement as a text; "" if it has none."""
    for key in ("mainsnak", "datavalue", "value"):
        statement = statement.get(key) if isinstance(statement, dict) else None
    if isinstance(statement, dict):
        number = statement.get("numeric-id")
        texts = (statement.get(key) for key in ("id", "text", "amount", "time"))
        text = next((text for text in texts if isinstance(text, str)), "")
        return text or (f"Q{number}" if isinstance(number, int) else json.dumps(statement, ensure_ascii=False))
    return statement.strip() if isinstance(statement, str) else ""


def page_title(item: Mapping[str, Any], site: str) -> str:
    """The title of the item's page in a wiki; "" if it has none."""
    pages = item.get("sitelinks")
    page = pages.get(site) if isinstance(pages, dict) else None
    title = page.get("title") if isinstance(page, dict) else page
    return title.strip() if isinstance(title, str) else ""


def sitelinks(item: Mapping[str, Any]) -> int:
    """The number of pages about the item in all wikis."""
    pages = item.get("sitelinks")
    return sum(page is not None for page in pages.values()) if isinstance(pages, dict) else 0


@dataclass
class ItemReader:
    """Makes records of items.

    Args:
        options: what the user chose.
        redirects: the old ids of entities.
    """

    options: Options
    redirects: Redirects = field(default_factory=Redirects)

    def __post_init__(self) -> None:
        self._languages = tuple(dict.fromkeys((*self.options.languages, ANY_LANGUAGE)))
        self.choose(self.options.types, self.options.without_types)

    def choose(self, types: Iterable[str], without_types: Iterable[str]) -> None:
        """Choose the entities with one of ``types``, if there are any, and with none of ``without_types``."""
        self._kept, self._left = {*types}, {*without_types}

    def record(self, item: Any, place: str, skips: Skips, others: dict[str, str]) -> Record | None:
        """The record of an item; None if it is left out.

        Args:
            item: the JSON value of the item.
            place: where it stands, for ``skips``.
            skips: counts the items that are left out.
            others: id → label of the items that are left out, but may be types of others.
        """
        if not isinstance(item, dict):
            skips.add("not a JSON object", place)
            return None
        identity = item.get("id")
        if not isinstance(identity, str) or not identity:
            skips.add("no id", place)
            return None
        if not identity.startswith("Q") or item.get("type", "item") != "item":
            skips.add("a property, a lexeme or another thing than an item", identity)
            return None
        labels = self._labels(item)
        types = self._types(item)
        title = page_title(item, self.options.site)
        if reason := self._reason(item, types, title) or ("" if labels or title else self._unnamed()):
            skips.add(reason, identity)
            if labels or title:
                others[identity] = (labels or [title])[0]
            return None
        return self._made(identity, item, labels or [title], title, types)

    def _unnamed(self) -> str:
        return f"no label in {', '.join(self._languages)}"

    def _labels(self, item: Mapping[str, Any]) -> list[str]:
        """The labels in the user's languages, the preferred one first."""
        found = [text for language in self._languages for text in terms(item.get("labels"), language)]
        if not found and "labels" not in item and isinstance(title := item.get("title"), str):
            return [title]  # a record that has a title of its own, and is like Wikidata's in its other fields only
        return found

    def _types(self, item: Mapping[str, Any]) -> list[str]:
        found = (text for key in self.options.type_properties for text in statements(item, key))
        return list(dict.fromkeys(map(self.redirects.current, found)))

    def _reason(self, item: Mapping[str, Any], types: list[str], title: str) -> str:
        """Why an item is left out; "" if it stays."""
        options = self.options
        if not options.internal_pages and any(one in INTERNAL for one in statements(item, "P31", best=False)):
            return "a disambiguation, category, template or list of Wikimedia, which --internal-pages keeps"
        if sitelinks(item) < options.min_sitelinks:
            return f"fewer than {options.min_sitelinks} sitelinks"
        if options.has_sitelink and not title:
            return f"no page in {options.site}"
        if self._kept and not self._kept.intersection(types):
            return "none of the types of --types"
        if self._left and self._left.intersection(types):
            return "a type of --without-types"
        return ""

    def _made(self, identity: str, item: Mapping[str, Any], labels: list[str], title: str, types: list[str]) -> Record:
        title = title or labels[0]
        aliases = [text for language in self._languages for text in terms(item.get("aliases"), language)]
        names = dict.fromkeys((*labels[1:], *aliases))
        descriptions = (text for language in self._languages for text in terms(item.get("descriptions"), language))
        record: Record = {
            "id": identity,
            "title": title,
            "label": labels[0],
            "description": next(descriptions, ""),
            "aliases": [name for name in names if name not in (title, labels[0])],
            "types": types,
            "popularity": sitelinks(item),
        }
        for key in self.options.external_ids:
            if values := list(dict.fromkeys(statements(item, key))):
                record[key] = values[0] if len(values) == 1 else values
        if former := self.redirects.former(identity):
            record["old_ids"] = former
        return record
