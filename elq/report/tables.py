"""Tables: arranges the figures of a report in rows and columns, with intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from elq.evaluation.intervals import Interval, Ratio, interval, intervals, resampled
from elq.report.slices import Group
from elq.report.wording import HEADLINES, Named, in_families, is_count, metric_name

Ratios = Mapping[str, Ratio]
Cells = list[Interval | None]  # an interval for each column; None if there is none
MEASURES = {"f1": "F1", "false_links": "false links per question"}  # measure of slices → its words in a table, if they differ


class Row(NamedTuple):
    """A row of a table of figures: its name, its meaning, and a cell for each column."""

    name: str
    meaning: str
    cells: Cells


def metric_cells(metrics: Mapping[str, float], model: Ratios, baseline: Ratios | None, **draws: int) -> dict[str, Cells]:
    """The cells of every metric except counts: the model, and with a baseline also the baseline and the difference.

    Args:
        metrics: the metrics of the model. A metric that is not a ratio has no interval.
        model, baseline: their ratios over the same questions.
        draws: ``resamples`` and ``seed``, see elq/evaluation/intervals.py.
    """
    ours = resampled(model, **draws)
    theirs = {} if baseline is None else resampled(baseline, **draws)
    rows: dict[str, Cells] = {}
    for name, values in ours.items():
        rows[name] = [interval(values)]
        if baseline is not None:
            other = theirs.get(name)
            rows[name] += [None, None] if other is None else [interval(other), interval(values - other)]
    for name, value in metrics.items():
        if name not in rows and not is_count(name):
            rows[name] = [Interval(value, math.nan, math.nan), *([] if baseline is None else [None, None])]
    return rows


def headlines(cells: Mapping[str, Cells]) -> list[Row]:
    """The rows of the main figures, without those that are undefined."""
    return [Row(*words, cells[name]) for name, words in HEADLINES.items() if not _undefined(cells.get(name, []))]


def families(cells: Mapping[str, Cells]) -> list[tuple[Named, list[Row]]]:
    """The rows of every metric, grouped by family, without families that are undefined."""
    return [
        (family, [Row(metric_name(name), "", cells[name]) for name in names])
        for family, names in in_families(cells).items()
        if not all(_undefined(cells[name]) for name in names)
    ]


def _undefined(cells: Cells) -> bool:
    return all(cell is None or math.isnan(cell.value) for cell in cells)


def slice_tables(groups: Sequence[Group], *, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Each group with the intervals of its measures. Without gold entities, precision and F1 of a slice are undefined."""
    columns = {
        (group.title, part.name, measure): part.ratios[measure]
        for group in groups
        for part in group.slices
        for measure in group.measures
        if measure not in ("precision", "f1") or part.ratios["recall"].bottom.any()
    }
    drawn = intervals(columns, resamples=resamples, seed=seed)
    return [
        {
            "title": group.title,
            "measures": [MEASURES.get(measure, measure) for measure in group.measures],
            "rows": [(part, [drawn.get((group.title, part.name, one)) for one in group.measures]) for part in group.slices],
        }
        for group in groups
    ]
