"""Plots: draws the plots of a report, each for a light and for a dark page.

The extra ``report`` installs Matplotlib.
"""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elq.errors import ElqError
from elq.evaluation.evaluate import Observed
from elq.evaluation.intervals import RESAMPLES, Interval
from elq.evaluation.sweep import Threshold
from elq.report.curves import Bin, quality_curve, recall_curve, reliability_diagram
from elq.report.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (4.8, 3.5)  # inches; letters can be read at the width of a phone
DPI = 150  # resolution of a PNG
BAND = 0.2  # opacity of the band of intervals


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a plot: background, text, lines, and three for curves, which also differ in their dashes."""

    ground: str
    text: str
    line: str
    curves: tuple[str, str, str]


LIGHT = Theme("#ffffff", "#1c1f24", "#c9ced6", ("#1a5fb4", "#b1480b", "#1f7a3d"))
DARK = Theme("#16181d", "#e6e8eb", "#454b55", ("#80b6f5", "#f5a65b", "#7dd69a"))
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)))

Draw = Callable[["Axes", Theme], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot as two data URIs, with a text for people who cannot see it, and a caption."""

    title: str
    light: str
    dark: str
    alt: str
    caption: str


def require_matplotlib() -> None:
    """Raise an ElqError if Matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ElqError(
            "a report's plots need Matplotlib, which is not installed: `pip install matplotlib` or `pip install 'elq[report]'`"
        ) from None


def drawn(draw: Draw, theme: Theme, kind: str = "svg") -> bytes:
    """Draw a plot as the bytes of an SVG or PNG file. An SVG has the same bytes each time."""
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.hashsalt": "elq",  # without it, the ids in the file are random
        "font.size": 10,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), theme.ground),
        **dict.fromkeys(("axes.edgecolor", "grid.color"), theme.line),
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), theme.text),
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=SIZE, layout="constrained")
        draw(figure.subplots(), theme)
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else None)
    return stream.getvalue()


def picture(title: str, draw: Draw, alt: str, caption: str) -> Picture:
    """Draw a plot for the light page and for the dark page."""
    light, dark = (f"data:image/svg+xml;base64,{base64.b64encode(drawn(draw, theme)).decode()}" for theme in (LIGHT, DARK))
    return Picture(title, light, dark, alt, caption)


def legend_above(axes: "Axes") -> None:
    """Put the legend above the axes, where no curve crosses it."""
    axes.figure.legend(loc="outside upper center", ncols=4, columnspacing=1.2, handlelength=1.8, handletextpad=0.5)


def quality_plot(curve: Sequence[Threshold], chosen: Threshold) -> Draw:
    """Plot F1, precision and recall against the threshold γ, and mark the γ in use."""

    def draw(axes: "Axes", theme: Theme) -> None:
        at = [point.threshold for point in curve]
        for name, colour, dashes in zip(("f1", "precision", "recall"), theme.curves, DASHES, strict=True):
            label = name.replace("f1", "F1")
            axes.plot(at, [getattr(point, name) for point in curve], color=colour, linestyle=dashes, label=label)
        if math.isfinite(chosen.threshold):  # −inf keeps every span, but cannot be drawn
            axes.axvline(chosen.threshold, color=theme.text, linewidth=1)
            axes.plot(
                [chosen.threshold], [chosen.f1], "o", color=theme.text, markersize=5, label=f"γ = {number(chosen.threshold, 2)}"
            )
        axes.set(xlabel="threshold γ of the joint score (natural logarithm)", ylabel="share of entities", ylim=(-0.02, 1.02))
        legend_above(axes)

    return draw


def precision_recall_plot(curve: Sequence[Threshold], chosen: Threshold) -> Draw:
    """Plot precision against recall, with lines of equal F1, and mark the threshold in use."""

    def draw(axes: "Axes", theme: Theme) -> None:
        for f1 in (0.2, 0.4, 0.6, 0.8):
            recalls = [f1 / 2 + (1 - f1 / 2) * step / 100 for step in range(1, 101)]
            axes.plot(recalls, [f1 * r / (2 * r - f1) for r in recalls], color=theme.line, linewidth=1, linestyle="dashed")
            ground = {"facecolor": theme.ground, "edgecolor": "none", "pad": 1}  # the box hides the line behind its label
            axes.annotate(f"F1 {f1}", (1, f1 / (2 - f1)), ha="right", va="center", fontsize=8, bbox=ground)
        axes.plot([point.recall for point in curve], [point.precision for point in curve], color=theme.curves[0])
        axes.plot([chosen.recall], [chosen.precision], "o", color=theme.text, label=f"γ = {number(chosen.threshold, 2)}")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
        axes.grid(visible=False)
        legend_above(axes)

    return draw


def reliability_plot(bins: Sequence[Bin]) -> Draw:
    """Plot the share of right links against their confidence, with intervals."""

    def draw(axes: "Axes", theme: Theme) -> None:
        axes.plot([0, 1], [0, 1], color=theme.text, linewidth=1, linestyle="dashed", label="calibrated")
        confidences, shares = [one.confidence for one in bins], [one.right.value for one in bins]
        # a percentile interval of few questions may not contain the value
        below = [max(one.right.value - one.right.low, 0.0) for one in bins]
        above = [max(one.right.high - one.right.value, 0.0) for one in bins]
        axes.errorbar(
            confidences, shares, yerr=[below, above], fmt="o-", color=theme.curves[0], markersize=5, capsize=3, label="links"
        )
        axes.set(xlabel="confidence", ylabel="share of right links", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        legend_above(axes)

    return draw


def recall_plot(recalls: Sequence[Interval]) -> Draw:
    """Plot the recall of gold entities among the first k candidates, with a band of intervals."""

    def draw(axes: "Axes", theme: Theme) -> None:
        steps = range(1, len(recalls) + 1)
        axes.fill_between(
            steps, [one.low for one in recalls], [one.high for one in recalls], color=theme.curves[0], alpha=BAND, linewidth=0
        )
        axes.plot(steps, [one.value for one in recalls], color=theme.curves[0])
        axes.set_xscale("log", base=2)
        marks = [2**power for power in range(len(recalls).bit_length())]
        axes.set_xticks(marks, [str(mark) for mark in marks])
        axes.set(xlabel="k, candidates", ylabel="recall@k of gold mentions", xlim=(1, len(recalls)))
        axes.set_ylim(top=1.005)

    return draw


def _quality_pictures(observed: Observed, chosen: Threshold) -> list[Picture]:
    if not (curve := quality_curve(observed)):
        return []
    best = max(curve, key=lambda point: point.f1)
    figures = f"precision is {chosen.precision:.3f}, recall {chosen.recall:.3f}, F1 {chosen.f1:.3f}"
    at = f"At γ = {number(chosen.threshold, 2)} {figures}."
    peak = f"F1 is highest at γ = {number(best.threshold, 2)}: {best.f1:.3f}."
    ends = [f"recall {point.recall:.3f} with precision {point.precision:.3f}" for point in (curve[0], curve[-1])]
    of = "Entities of the questions whose main entity is in the catalogue (micro)."
    return [
        picture(
            "Threshold",
            quality_plot(curve, chosen),
            f"Line chart of F1, precision and recall against the threshold γ. {at} {peak}",
            f"{of} The vertical line is the threshold in use. {at} {peak}",
        ),
        picture(
            "Precision and recall",
            precision_recall_plot(curve, chosen),
            f"Line chart of precision against recall, from {ends[0]} to {ends[1]}. {at}",
            f"{of} Dashed lines join points of equal F1; the dot is the threshold in use.",
        ),
    ]


def pictures(observed: Observed, chosen: Threshold, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Picture]:
    """Every plot of a report; a plot without data is left out.

    Args:
        observed: the output of a linker with a very low threshold.
        chosen: the threshold in use, with its quality.
        resamples, seed: for the intervals, see elq/evaluation/intervals.py.

    Raises:
        ElqError: Matplotlib is missing.
    """
    require_matplotlib()
    made = _quality_pictures(observed, chosen)
    if diagram := reliability_diagram(observed, resamples=resamples, seed=seed):
        bins, whole = diagram
        points = "; ".join(f"{one.confidence:.2f}: {one.right.value:.2f}" for one in bins)
        made.append(
            picture(
                "Reliability",
                reliability_plot(bins),
                f"Share of links with a gold entity by confidence, in {len(bins)} bins: {points}.",
                f"Links of all scores in bins of equal number, about {whole.links // len(bins):,} each, with 95% intervals."
                " On the dashed line, the share of right links is the confidence. The mean distance from it (ECE) is"
                f" {whole.ece:.3f}; 95 of 100 perfectly calibrated models would have"
                f" {whole.band[0]:.3f} to {whole.band[1]:.3f}.",
            )
        )
    if recalls := recall_curve(observed, resamples=resamples, seed=seed):
        some = ", ".join(f"{recalls[k - 1].value:.3f} at k = {k}" for k in (1, 10, len(recalls)))
        made.append(
            picture(
                "Recall of candidates",
                recall_plot(recalls),
                f"Line chart of the share of gold mentions whose entity is among the first k candidates: {some}.",
                f"Given the gold span, whether its entity is among the first k candidates, with 95% intervals: {some}.",
            )
        )
    return made
