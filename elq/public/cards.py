"""Cards of a quiz: JSON lines with an entity each, in two versions of their keys."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from elq.public.facts import Facts


def read(paths: Sequence[Path]) -> Iterator[Facts]:
    """The facts in such files."""
    for path in paths:
        with path.open(encoding="utf-8") as stream:
            for record in map(json.loads, stream):
                title = record.get("wikipedia_title") or record.get("wikipedia") or ""
                types = tuple(record.get("instance_of") or record.get("types") or ())
                label, description = record["label"] or "", record["description"] or ""
                yield Facts(record["id"], title, label, description, (), types, record.get("page_views") or 0)
