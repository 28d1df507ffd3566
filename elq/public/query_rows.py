"""Rows of SPARQL queries: a JSON array with the address, the label and sometimes the description of an entity."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from elq.public.facts import Facts


def read(paths: Sequence[Path]) -> Iterator[Facts]:
    """The facts in such files."""
    for path in paths:
        for record in json.loads(path.read_text(encoding="utf-8")):
            identity = record["item"].rpartition("/")[2]
            yield Facts(identity, "", record["itemLabel"] or "", record.get("description") or "")
