"""The catalogue: merges the facts of public files into records, sorted by Wikidata's numbers."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from elq.public import cards, decks, freebase_map, label_tables, query_rows, trials, type_names
from elq.public.facts import QID, Facts, merged
from elq.types import Entity

READERS: dict[str, Callable[[Sequence[Path]], Iterator[Facts]]] = {  # layout → its reader, the most trusted layout first
    "freebase_map": freebase_map.read,
    "label_tables": label_tables.read,
    "cards": cards.read,
    "query_rows": query_rows.read,
    "decks": decks.read,
    "places": cards.read,
    "trials": trials.read,
    "type_names": type_names.read,
}


def entities(files: Mapping[str, Sequence[Path]]) -> list[Entity]:
    """The records of a catalogue.

    Args:
        files: layout → its files, those that are trusted most first.
    """
    found: dict[str, list[Facts]] = defaultdict(list)
    for layout, read in READERS.items():
        for facts in read(files[layout]) if layout in files else ():
            if QID.fullmatch(facts.id):
                found[facts.id].append(facts)
    made = (merged(found[identity]) for identity in sorted(found, key=lambda identity: int(identity[1:])))
    return [entity for entity in made if entity is not None]
