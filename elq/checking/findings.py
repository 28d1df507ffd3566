"""Findings: counts what is doubtful in a catalogue, with examples, and says in words what to do about each."""

from dataclasses import dataclass, field

from elq.names.lengths import SPAN_TOKENS

EXAMPLES = 3
LONG_NAME, LONG_DESCRIPTION, MANY_ALIASES = 100, 1000, 50

# The kinds of findings, the worst first: name → (what it is, what to do)
KINDS = {
    "bad records": ("records that elq refuses", "correct them: no linker can be made from the file as it is"),
    "duplicate ids": ("records whose id an earlier record has", "remove the repeated records, or give them other ids"),
    "all titles equal": ("records, and all have the same title", "name the column with the names: --columns title=COLUMN"),
    "titles like ids": ("titles that look like an id, a number or an address", "give these entities a name"),
    "wrong encoding": ("texts with characters of a wrong encoding", "read the source again as UTF-8"),
    "markup": ("names with HTML or wiki markup", "remove the markup: nobody writes it in a question"),
    "unsplit lists": ("aliases or types that look like a list in one text", 'write "|" between the items'),
    "no difference": (
        "entities with the title and the description of another one",
        "describe what makes them different, or remove the repeated ones: nothing tells them apart",
    ),
    "function words": (
        'names that are a function word or a letter, such as "it"',
        "give these entities another name too: a question means them only where such a word has capitals (IT, not it)",
    ),
    "numbers": ("names that are only a number", "remove them where they are no common name of the entity"),
    "long for a mention": (
        f"names of more than {SPAN_TOKENS} tokens",
        "give their entities a shorter alias, if they have none: a mention of so many tokens must be the whole name",
    ),
    "long names": (f"names of more than {LONG_NAME} characters", "these are probably descriptions: correct the columns"),
    "long descriptions": (
        f"descriptions of more than {LONG_DESCRIPTION:,} characters",
        "put what matters first: the encoder reads 64 tokens of names and description",
    ),
    "many aliases": (f"entities with more than {MANY_ALIASES} aliases", "remove those by which nobody asks"),
    "empty items": ("empty texts in lists of aliases or types", "nothing needs to be done: they are left out"),
    "description is the title": ("descriptions that only repeat the title", "write what the entity is, or leave it empty"),
}


@dataclass
class Finding:
    """How often something doubtful occurs, and its first examples, each with its place or entity."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """The findings of one catalogue, by kind."""

    def __init__(self) -> None:
        self.found: dict[str, Finding] = {}

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Count one more case. ``kind`` is one of :data:`KINDS`."""
        finding = self.found.setdefault(kind, Finding())
        finding.count += count
        if len(finding.examples) < EXAMPLES:
            finding.examples.append(example)

    def listed(self) -> list[dict[str, object]]:
        """The findings as plain values, the worst kind first."""
        return [
            {
                "kind": kind,
                "count": self.found[kind].count,
                "what": what,
                "examples": self.found[kind].examples,
                "remedy": remedy,
            }
            for kind, (what, remedy) in KINDS.items()
            if kind in self.found
        ]
