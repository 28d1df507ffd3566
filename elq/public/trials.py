"""Trials of an annotation: JavaScript files that assign a JSON array of texts, with the candidates of each mention."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from elq.names.surface import without_brackets
from elq.public.facts import Facts


def read(paths: Sequence[Path]) -> Iterator[Facts]:
    """The facts in such files: the titles and descriptions of the candidates."""
    for path in paths:
        script = path.read_text(encoding="utf-8")
        texts, _ = json.JSONDecoder().raw_decode(script, script.index("["))
        for mention in (mention for text in texts for mention in text["mentions"]):
            keys = ("candidates", "candidate_titles", "candidate_descriptions")
            for identity, title, description in zip(*(mention[key] for key in keys), strict=True):
                yield Facts(identity, title, without_brackets(title), description or "")
