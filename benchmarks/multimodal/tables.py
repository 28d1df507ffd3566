"""The tables of benchmarks/multimodal/measure.py: figures of ranks, groups of questions, and paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from elq.evaluation.intervals import Ratio, interval, resampled

KINDS = ("flags", "logos", "collages", "posts")
HITS = (1, 3, 5, 10)
IMAGE_ALONE = "image alone"  # trained with the unit `picture` only
TEXT_ALONE = "text"  # the trained preset
Lines = Mapping[str, dict[str, Any]]


def labels_of(question: Mapping[str, Any]) -> list[str]:
    """The groups of a question: its rendering, and for posts whether the picture is right, and what decides."""
    found = [str(question["rendering"]).removesuffix(", varied")] if "rendering" in question else []
    if "of" in question:
        found.append(f"boxed {question['of']}s")
    if "wrong" in question:
        found += ["wrong picture" if question["wrong"] else "right picture", f"{question['decides']} decides"]
    return found


def members(questions: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Group → the numbers of its questions."""
    labels = [labels_of(one) for one in questions]
    return {
        label: [number for number, each in enumerate(labels) if label in each]
        for label in sorted({label for each in labels for label in each})
    }


def groups(questions: Sequence[Mapping[str, Any]], ranks: Mapping[str, torch.Tensor]) -> dict[str, dict[str, Any]]:
    """Group → way → figures."""
    return {label: {way: figures(each[own]) for way, each in ranks.items()} for label, own in members(questions).items()}


def figures(ranks: torch.Tensor) -> dict[str, float]:
    """Hits@k, MRR of ranks counted from 0, −1 for none."""
    there = ranks >= 0
    found = {f"hits@{k}": float((there & (ranks < k)).float().mean()) for k in HITS}
    return {**found, "mrr": float(torch.where(there, 1 / (ranks + 1).clamp_min(1), 0.0).mean()), "mentions": float(len(ranks))}


def difference(one: Sequence[int], other: Sequence[int]) -> str:
    """How much higher Hits@1 is with the first ranks than with the others, and its 95% interval (paired bootstrap)."""
    sides = {name: (np.array(ranks) == 0).astype(np.float64) for name, ranks in (("one", one), ("other", other))}
    drawn = resampled({name: Ratio(hits, np.ones_like(hits)) for name, hits in sides.items()})
    value, low, high = interval(drawn["one"] - drawn["other"])
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def table(lines: Lines) -> str:
    """The table, in Markdown."""
    head = "| line | " + " | ".join(f"{kind} H@1 / H@5 / MRR" for kind in KINDS) + " | parameters | ms a link | training, s |"
    rows = [head, "|---" * (len(KINDS) + 4) + "|"]

    def cells(name: str, way: str, one: dict[str, Any], parameters: str, ms: str, seconds: str) -> str:
        found = [one[kind][way] for kind in KINDS]
        shown = [f"{f['hits@1']:.3f} / {f['hits@5']:.3f} / {f['mrr']:.3f}" for f in found]
        return f"| {name} | {' | '.join(shown)} | {parameters} | {ms} | {seconds} |"

    first = next(iter(lines.values()))
    rows.append(cells("text alone (vectors, names, fame)", "text", first, "0", "", ""))
    for name, one in lines.items():
        way = "network" if name == IMAGE_ALONE else "both"
        rows.append(cells(name, way, one, f"{one['parameters']:,}", f"{one['ms']:.0f}", f"{one['seconds']:.0f}"))
    return "\n".join(rows)


def comparisons(lines: Lines, questions: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Groups, text and picture against each alone, and units and filters switched off, in Markdown."""
    labels = [(kind, label) for kind in KINDS for label in members(questions[kind])]
    rows = ["| line | " + " | ".join(f"{kind}: {label}" for kind, label in labels) + " |", "|---" * (len(labels) + 1) + "|"]
    first = next(iter(lines.values()))
    ways = [
        ("text alone", "text", first),
        *((name, "network" if name == IMAGE_ALONE else "both", one) for name, one in lines.items()),
    ]
    for name, way, one in ways:
        shown = [f"{one[kind]['groups'][label][way]['hits@1']:.3f}" for kind, label in labels]
        rows.append(f"| {name} | {' | '.join(shown)} |")
    rows += ["", *against_each_alone(lines, members(questions["posts"]))]
    rows += ["", "| line | switched off | " + " | ".join(KINDS) + " | posts with a wrong picture |", "|---" * 7 + "|"]
    wrong = members(questions["posts"]).get("wrong picture", [])
    for name, one in lines.items():
        for part in one["posts"]["without"]:
            pairs = [(one[kind]["ranks"], one[kind]["without"][part]) for kind in KINDS]
            ranks, less = pairs[-1]
            pairs.append(([ranks[number] for number in wrong], [less[number] for number in wrong]))
            rows.append(f"| {name} | {part} | " + " | ".join(difference(*pair) for pair in pairs) + " |")
    return "\n".join(rows)


def against_each_alone(lines: Lines, groups: Mapping[str, Sequence[int]]) -> list[str]:
    """Where the right entity is a candidate, and posts against the texts alone, the trained texts alone, and the pictures alone.

    Args:
        lines: the lines of the table.
        groups: the numbers of the posts of each group. Those with a right picture are compared too, and a preset with a filter
            of pictures with the same preset without it.
    """
    ways = {TEXT_ALONE: "ranks", IMAGE_ALONE: "network_ranks"}
    alone = {name: lines[name]["posts"][way] for name, way in ways.items() if name in lines}
    right = groups.get("right picture", [])
    head = ["line", "right entity is a candidate: " + ", ".join(KINDS), "posts: against the untrained text"]
    head += [f"against the line {name}" for name in alone] + [f"right picture: against the line {name}" for name in alone]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, one in lines.items():
        ranks = one["posts"]["ranks"]
        cells = [" / ".join(f"{one[kind]['candidate']:.3f}" for kind in KINDS), difference(ranks, one["posts"]["text_ranks"])]
        cells += [difference(ranks, other) for other in alone.values()]
        cells += [difference([ranks[n] for n in right], [other[n] for n in right]) for other in alone.values()]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    for name, one in lines.items():
        if (plain := lines.get(f"{name} without filter")) is not None:
            rows += ["", f"| {name} against {name} without filter | difference |", "|---|---|"]
            for label, own in {"all posts": range(len(one["posts"]["ranks"])), **groups}.items():
                pair = ([each["posts"]["ranks"][n] for n in own] for each in (one, plain))
                rows.append(f"| {label} | {difference(*pair)} |")
    return rows
