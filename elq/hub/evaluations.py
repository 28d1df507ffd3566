"""Evaluations of a model: reads the files of `elq evaluate --output` for a model card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from elq.errors import ElqError


class Figure(NamedTuple):
    """A metric that a card shows."""

    metric: str  # its name in the file
    words: str
    kind: str  # its type in the metadata of the Hub
    base: str  # the number of items that it is measured on, in the file


FIGURES = (
    Figure("set_all_micro_precision", "entities: precision", "precision", "questions"),
    Figure("set_all_micro_recall", "entities: recall", "recall", "questions"),
    Figure("set_all_micro_f1", "entities: F1", "f1", "questions"),
    Figure("strong_micro_precision", "links, exact span: precision", "precision", "gold_mentions"),
    Figure("strong_micro_recall", "links, exact span: recall", "recall", "gold_mentions"),
    Figure("strong_micro_f1", "links, exact span: F1", "f1", "gold_mentions"),
    Figure("disambiguation_accuracy", "right entity for a given mention", "accuracy", "gold_mentions"),
    Figure(
        "false_links_per_unmentioned_question",
        "false links per question without a mention",
        "false_links",
        "questions_unmentioned",
    ),
)


@dataclass(frozen=True)
class Evaluation:
    """One file of `elq evaluate --output`; what an earlier version of elq did not write into it is None or empty.

    Args:
        questions_file: the name of the file of questions, without its folder.
        threshold: the threshold γ that was measured.
        metrics: metric → value for the model.
        intervals: metric → bounds of its 95% interval.
        baselines: name of a baseline → metric → value.
        cost: times and memory, see elq/evaluation/record.py.
        weights_sha256: the sum of the model's files.
        catalogue: the number of entities, and the sums of the parts of the catalogue.
    """

    questions_file: str
    threshold: float | None
    metrics: Mapping[str, float]
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str | None = None
    catalogue: tuple[int, list[str]] | None = None

    @property
    def figures(self) -> list[Figure]:
        """The figures of a card that were measured on at least one item."""
        return [figure for figure in FIGURES if figure.metric in self.metrics and self.metrics.get(figure.base, 0) > 0]

    @property
    def name(self) -> str:
        """The name of the questions, which is that of their file without its suffixes."""
        return self.questions_file.partition(".")[0]


def read_evaluation(path: str | Path) -> Evaluation:
    """Read a file of `elq evaluate --output`.

    Raises:
        ElqError: the file does not exist, or is not such a file.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        return evaluation_of(values)
    except FileNotFoundError:
        raise ElqError(f"the evaluation {path} does not exist: make it with `elq evaluate --output {path}`") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ElqError(
            f"{path} is not an evaluation ({type(error).__name__}: {error}): give a file of `elq evaluate --output FILE`"
        ) from None


def evaluation_of(values: Mapping[str, Any]) -> Evaluation:
    """The evaluation in the values of such a file. The metrics of a training (``metrics.json``) are such values, too."""
    metrics = {str(name): float(value) for name, value in values["model"].items()}
    hashes, entities = values.get("catalogue_sha256"), values.get("entities")
    return Evaluation(
        questions_file=base_name(str(values["questions_file"])),
        threshold=None if values.get("threshold") is None else float(values["threshold"]),
        metrics=metrics,
        intervals={**(values.get("intervals") or {}).get("model", {})},
        baselines={"dictionary": values["dictionary"]} if isinstance(values.get("dictionary"), dict) else {},
        cost={**(values.get("cost") or {})},
        weights_sha256=values.get("weights_sha256"),
        catalogue=None if hashes is None or entities is None else (int(entities), list(hashes)),
    )


def base_name(path: str) -> str:
    """The last part of a path of any system, since a folder of somebody's disk tells nothing to others.

    >>> base_name("/home/me/test.jsonl"), base_name("data\\\\test.jsonl")
    ('test.jsonl', 'test.jsonl')
    """
    return PureWindowsPath(path).name
