"""Names of types: a JSON object with the types of entities, and one with the labels of the types."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from elq.public.facts import Facts

OF_ENTITIES, NAMES = "entity2types.json", "types.json"


def read(paths: Sequence[Path]) -> Iterator[Facts]:
    """The types of entities; they say nothing else."""
    files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    for identity, types in files[OF_ENTITIES].items():
        labels = (files[NAMES].get(one, {}).get("label") for one in types)
        yield Facts(identity, types=tuple(label for label in labels if label))
