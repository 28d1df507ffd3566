"""The map from Freebase to Wikidata: a JSON object, Freebase id → label, description, other names, Wikidata id, article."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from elq.public.facts import Facts

ARTICLE = "/wiki/"  # what stands before the title in the address of an article


def read(paths: Sequence[Path]) -> Iterator[Facts]:
    """The facts in such files."""
    for path in paths:
        for record in json.loads(path.read_text(encoding="utf-8")).values():
            title = unquote((record["wikipedia"] or "").partition(ARTICLE)[2]).replace("_", " ")
            label, description = record["label"] or "", record["description"] or ""
            yield Facts(record["wikidata_id"], title, label, description, tuple(record["alternatives"] or ()))
