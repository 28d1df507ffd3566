"""Gathers the names and descriptions of one entity from several statements, in the languages that the user wants."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from elq.sources.source import Record


def rank_of(language: str, languages: Sequence[str]) -> int | None:
    """How much a language is wanted: the smaller the number, the more. None if it is not wanted.

    A wanted language stands for its regions too ("en" for "en-GB", after the language itself). A text without a language is
    wanted least. "mul" is Wikidata's code of names in all languages.

    Args:
        language: the tag of a text, such as "en-GB"; "" if it has none.
        languages: the wanted languages, the preferred one first.

    >>> [rank_of(tag, ["en", "de"]) for tag in ("en", "en-GB", "de", "", "fr")]
    [0, 1, 2, 5, None]
    """
    tag = language.lower().replace("_", "-")
    for place, wanted in enumerate(one.lower().replace("_", "-") for one in languages):
        if tag == wanted:
            return 2 * place
        if tag.startswith(f"{wanted}-"):
            return 2 * place + 1
    return 2 * len(languages) + (tag != "mul") if tag in ("", "mul") else None


@dataclass(slots=True)
class Gathered:
    """What is known of one entity so far. Smaller ranks are preferred; the first of equal ones is taken."""

    place: str = ""
    labels: list[tuple[int, str]] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    descriptions: list[tuple[int, str]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    popularity: int = 0
    others: dict[str, list[str]] = field(default_factory=dict)
    unwanted: set[str] = field(default_factory=set)  # languages of labels that are not wanted

    def add_other(self, name: str, value: str) -> None:
        """Keep a value of a further column, each once."""
        values = self.others.setdefault(name, [])
        if value not in values:
            values.append(value)

    def record(self, identity: str, types: Iterable[str] | None = None) -> Record:
        """The record of the entity. Its first label is the name; further ones are aliases.

        Args:
            identity: its id.
            types: the names of its types; by default those that were gathered.
        """
        labels = [text for _, text in sorted(self.labels, key=lambda item: item[0])]
        description = min(self.descriptions, key=lambda item: item[0])[1] if self.descriptions else ""
        names = dict.fromkeys([*labels[1:], *self.aliases])
        record: Record = {
            "id": identity,
            "title": labels[0],
            "label": labels[0],
            "description": description,
            "aliases": [name for name in names if name and name != labels[0]],
            "types": [name for name in dict.fromkeys(self.types if types is None else types) if name],
            "popularity": self.popularity,
        }
        return {**record, **{name: "|".join(values) for name, values in self.others.items() if name not in record}}


def no_label(gathered: Gathered, languages: Sequence[str]) -> str:
    """Why an entity without a label is left out."""
    if gathered.unwanted:
        return f"without a name in {', '.join(languages)} (--languages chooses others)"
    return "without a name"
