"""The report: one HTML page of an evaluation, complete in itself, with intervals, plots, slices and errors.

The page is the template elq/report/page.html, which escapes every text; this room prepares what stands in it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from elq import __version__
from elq.entities.catalogue import Catalogue
from elq.evaluation.counting import MEANINGS
from elq.evaluation.evaluate import Observed, measure, metric_ratios
from elq.evaluation.intervals import RESAMPLES, Interval, Ratio, interval, intervals, resampled
from elq.evaluation.sweep import Threshold
from elq.files import replacing
from elq.names.dictionary import Dictionary
from elq.report.buckets import BUCKETS, Error, bears, errors_of, examples, with_near_misses
from elq.report.plots import pictures
from elq.report.slices import Group, all_groups, records_of
from elq.types import Entity, Link, Mention, Question

TEMPLATE = "page.html"
EXAMPLES = 15  # of each bucket
CANDIDATES = 5  # of each example
HEADLINES = (
    "set_in_catalogue_micro_f1",
    "main_entity_recall",
    "strong_micro_f1",
    "disambiguation_accuracy",
    "candidate_recall@10",
)


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made from."""

    files: Mapping[str, str]  # what → path, for the head of the page; empty ones are left out
    observed: Observed  # with the links of a very low threshold
    threshold: float  # γ in use
    catalogue: Catalogue
    dictionary: Dictionary  # of the same catalogue
    baseline: Observed | None = None  # of the dictionary
    training: Sequence[Question] | None = None
    resamples: int = RESAMPLES
    seed: int = 0


class Row(NamedTuple):
    """A line of a table of figures: its name, and an interval for each column, None where a column has none."""

    name: str
    cells: list[Interval | None]


class Piece(NamedTuple):
    """Characters of a question, and whether they are part of the gold mention and of the link."""

    text: str
    gold: bool
    link: bool


def pieces(text: str, mention: Mention | None, link: Link | None) -> list[Piece]:
    """A text cut where a gold mention or a link begins or ends.

    >>> [tuple(piece) for piece in pieces("who is obama?", Mention(7, 12, "Q76"), None)]
    [('who is ', False, False), ('obama', True, False), ('?', False, False)]
    """
    spans = [(one.start, one.end) if one else (0, 0) for one in (mention, link)]
    cuts = sorted({0, len(text), *(place for span in spans for place in span)})
    return [
        Piece(text[start:end], *(low <= start and end <= high and low < high for low, high in spans))
        for start, end in pairwise(cuts)
    ]


def metric_name(name: str) -> str:
    """A metric's flat name in words.

    >>> metric_name("strong_micro_f1"), metric_name("main_entity_recall")
    ('links, same span: micro F1', 'main entity recall')
    """
    for task, meaning in MEANINGS.items():
        rest = name.removeprefix(f"{task}_")
        if rest != name and rest.startswith(("micro_", "macro_")):
            return f"{meaning}: {rest.replace('_', ' ').replace('f1', 'F1')}"
    return name.replace("_", " ")


def metric_rows(material: Material) -> tuple[list[Row], list[Row]]:
    """The lines of the headlines, and of every metric: model, and with a baseline that and the difference."""
    model = metric_ratios(material.observed.above(material.threshold))
    settings = {"resamples": material.resamples, "seed": material.seed}
    ours = resampled(model, **settings)
    theirs = resampled(metric_ratios(material.baseline), **settings) if material.baseline else {}
    rows = {}
    for name, values in ours.items():
        cells: list[Interval | None] = [interval(values)]
        if material.baseline:
            other = theirs.get(name)
            cells += [None, None] if other is None else [interval(other), interval(values - other)]
        rows[name] = Row(metric_name(name), cells)
    return [rows[name] for name in HEADLINES if name in rows], list(rows.values())


def number_rows(metrics: Mapping[str, float], ratios: Mapping[str, Ratio]) -> list[tuple[str, int]]:
    """The metrics that are no ratios: how many of something."""
    return [(metric_name(name), int(value)) for name, value in metrics.items() if name not in ratios]


def slice_tables(groups: Sequence[Group], *, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Each group with the intervals of its slices' measures."""
    columns = {
        (group.title, part.name, measure): part.ratios[measure]
        for group in groups
        for part in group.slices
        for measure in group.measures
    }
    drawn = intervals(columns, resamples=resamples, seed=seed)
    return [
        {
            "title": group.title,
            "measures": [measure.replace("f1", "F1") for measure in group.measures],
            "rows": [(part, [drawn[group.title, part.name, one] for one in group.measures]) for part in group.slices],
        }
        for group in groups
    ]


def all_errors(material: Material) -> list[Error]:
    """The errors of every question at the threshold in use, missed mentions with the link that stayed below it."""
    shown, low = material.observed.above(material.threshold), material.observed
    records = records_of((link.entity for links in shown.links for link in links), material.catalogue)

    def same_name(entity: str, name: str) -> bool:
        return bears(records[entity], name)

    errors, below = [], {}
    for question, links, every in zip(shown.questions, shown.links, low.links, strict=True):
        errors += errors_of(question, links, same_name)
        below[question] = [link for link in every if link not in links]
    return with_near_misses(errors, below)


def bucket_table(errors: Sequence[Error], threshold: float, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Every bucket: how many lost mentions and wrong links, and some examples."""
    golds = (error.mention.entity for error in errors if error.mention is not None and error.mention.entity is not None)
    records = records_of(golds, catalogue)
    table = []
    for bucket, meaning in BUCKETS.items():
        mine = [error for error in errors if error.bucket == bucket]
        shown = [_example(error, threshold, records) for error in examples(mine, EXAMPLES)]
        lost = sum(error.lost for error in mine)
        name = bucket.replace("_", " ").replace("nil", "NIL")
        table.append({"name": name, "meaning": meaning, "lost": lost, "wrong": len(mine) - lost, "examples": shown})
    return table


def _example(error: Error, threshold: float, records: Mapping[str, Entity]) -> dict[str, Any]:
    mention, link = error.mention, error.link
    return {
        "id": error.question.id,
        "pieces": pieces(error.question.text, mention, link),
        "gold": None if mention is None else mention.entity,
        "mention": mention and error.question.text[mention.start : mention.end],
        "title": records[mention.entity].title if mention and mention.entity else "",
        "link": link,
        "below": link is not None and link.score < threshold,
        "candidates": link.candidates[:CANDIDATES] if link else (),
    }


def page(material: Material) -> str:
    """The page.

    Raises:
        ElqError: Matplotlib is missing.
    """
    import jinja2

    draws = {"resamples": material.resamples, "seed": material.seed}
    shown = material.observed.above(material.threshold)
    metrics, ratios = measure(shown), metric_ratios(shown)
    at = [metrics[f"set_in_catalogue_micro_{quality}"] for quality in ("f1", "precision", "recall")]
    headlines, rows = metric_rows(material)
    errors = all_errors(material)
    groups = all_groups(shown, material.catalogue, material.dictionary, material.training)
    gold = sum(mention.entity is not None for question in shown.questions for mention in question.mentions)
    links = sum(map(len, shown.links))
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["nan"] = math.isnan
    return environment.get_template(TEMPLATE).render(
        version=__version__,
        files={name: path for name, path in material.files.items() if path},
        material=material,
        headlines=headlines,
        rows=rows,
        numbers=number_rows(metrics, ratios),
        pictures=pictures(material.observed, Threshold(material.threshold, *at), **draws),
        groups=slice_tables(groups, **draws),
        buckets=bucket_table(errors, material.threshold, material.catalogue),
        totals={"gold": gold, "links": links, "lost": sum(e.lost for e in errors), "wrong": sum(not e.lost for e in errors)},
    )


def write_report(path: str | Path, material: Material) -> None:
    """Write the page, whole or not at all; half a character (a lone surrogate) becomes a question mark.

    Raises:
        ElqError: Matplotlib is missing, or the file cannot be written.
    """
    made = page(material).encode("utf-8", "replace")
    with replacing(path, "wb") as stream:
        stream.write(made)
