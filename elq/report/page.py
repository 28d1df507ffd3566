"""Page: makes the HTML page of a report, with figures, plots, slices and errors.

The page needs no other file. It is made from the template elq/report/page.html, which escapes every text; this module prepares
the contents.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from elq import __version__
from elq.entities.catalogue import Catalogue
from elq.evaluation.evaluate import Observed, measure, metric_ratios
from elq.evaluation.intervals import RESAMPLES
from elq.evaluation.sweep import Threshold
from elq.files import replacing
from elq.names.dictionary import Dictionary
from elq.report.buckets import BUCKETS, Error, bears, errors_of, examples, with_near_misses
from elq.report.plots import pictures
from elq.report.slices import all_groups, records_of
from elq.report.summary import KNOWN, summary
from elq.report.tables import families, headlines, metric_cells, slice_tables
from elq.report.wording import is_count, metric_name, number
from elq.types import Entity, Link, Mention, Question

if TYPE_CHECKING:
    import jinja2

TEMPLATE = "page.html"
EXAMPLES = 15  # number of examples in each bucket
CANDIDATES = 5  # number of candidates in each example


@dataclass(frozen=True, slots=True)
class Material:
    """The data from which a report is made."""

    files: Mapping[str, str]  # kind of file → path, for the top of the page; empty paths are left out
    observed: Observed  # output of the linker with a very low threshold
    threshold: float  # γ, the threshold in use
    catalogue: Catalogue
    dictionary: Dictionary  # dictionary of the same catalogue
    baseline: Observed | None = None  # output of the dictionary
    training: Sequence[Question] | None = None
    date: dt.date | None = None  # date of the report, for the top of the page
    resamples: int = RESAMPLES
    seed: int = 0


class Piece(NamedTuple):
    """A part of a question text, and whether it belongs to the gold mention and to the link."""

    text: str
    gold: bool
    link: bool


def pieces(text: str, mention: Mention | None, link: Link | None) -> list[Piece]:
    """Cut a text at the ends of a gold mention and of a link.

    >>> [tuple(piece) for piece in pieces("who is obama?", Mention(7, 12, "Q76"), None)]
    [('who is ', False, False), ('obama', True, False), ('?', False, False)]
    """
    spans = [(one.start, one.end) if one else (0, 0) for one in (mention, link)]
    cuts = sorted({0, len(text), *(place for span in spans for place in span)})
    return [
        Piece(text[start:end], *(low <= start and end <= high and low < high for low, high in spans))
        for start, end in pairwise(cuts)
    ]


def all_errors(material: Material) -> list[Error]:
    """The errors of all questions at the threshold in use. A missed mention gets the best link below the threshold."""
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
    """Every bucket with its numbers of lost mentions and wrong links, and some examples."""
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


def environment() -> "jinja2.Environment":
    """The Jinja environment of the template: every text is escaped, and a missing name is an error."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    made = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.tests["nan"] = math.isnan
    made.filters["number"] = number
    return made


def page(material: Material) -> str:
    """Make the text of the page.

    Raises:
        ElqError: Matplotlib is missing.
    """
    draws = {"resamples": material.resamples, "seed": material.seed}
    shown, baseline = material.observed.above(material.threshold), material.baseline
    metrics, ours, theirs = measure(shown), metric_ratios(shown), None if baseline is None else metric_ratios(baseline)
    cells = metric_cells(metrics, ours, theirs, **draws)
    at = [metrics[f"{KNOWN}_micro_{quality}"] for quality in ("f1", "precision", "recall")]
    errors = all_errors(material)
    groups = all_groups(shown, material.catalogue, material.dictionary, material.training)
    gold = sum(mention.entity is not None for question in shown.questions for mention in question.mentions)
    links = sum(map(len, shown.links))
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            version=__version__,
            files={name: path for name, path in material.files.items() if path},
            material=material,
            summary=summary(ours, theirs, cells[f"{KNOWN}_micro_f1"][-1], errors),
            headlines=headlines(cells),
            families=families(cells),
            numbers=[(metric_name(name), int(value)) for name, value in metrics.items() if is_count(name)],
            pictures=pictures(material.observed, Threshold(material.threshold, *at), **draws),
            groups=slice_tables([group for group in groups if len(group.slices) > 1], **draws),
            single=[group for group in groups if len(group.slices) == 1],
            buckets=bucket_table(errors, material.threshold, material.catalogue),
            totals={
                "gold": gold,
                "links": links,
                "lost": sum(e.lost for e in errors),
                "wrong": sum(not e.lost for e in errors),
            },
        )
    )


def write_report(path: str | Path, material: Material) -> None:
    """Write the page, which appears when it is complete. A lone surrogate, half a character, becomes a question mark.

    Raises:
        ElqError: Matplotlib is missing, or the file cannot be written.
    """
    made = page(material).encode("utf-8", "replace")
    with replacing(path, "wb") as stream:
        stream.write(made)
