"""Decks of a quiz: a JSON array of events, each with the entity, its article and the page views of the article."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from elq.names.surface import without_brackets
from elq.public.facts import Facts


def read(paths: Sequence[Path]) -> Iterator[Facts]:
    """The facts in such files. The title of an event is no name of the entity; the title of its article is."""
    for path in paths:
        for record in json.loads(path.read_text(encoding="utf-8")):
            title = unquote(record["wikipediaSlug"] or "").replace("_", " ")
            description, views = record["subtitle"] or "", record["pageViews"] or 0
            yield Facts(record["qid"], title, without_brackets(title), description, popularity=views)
