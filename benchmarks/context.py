"""Measures on six sets of questions whether the context decides, and counts errors by kind.

    python benchmarks/context.py MODEL --output runs/context/base
    python benchmarks/context.py OTHER --output runs/context/other --base runs/context/base

The sets are the development questions in ../shared/questions. The links of each set, its figures (figures.json) and every error
(errors.jsonl) are written to the output folder. With --base, the set-level F1 is compared with that of another output folder by
a paired bootstrap. --fold 0/5 keeps the questions 0, 5, 10, … of mintaka_a, lcquad2 and erd, for a model that was trained on
the others.

The kinds of errors, the first that fits. A gold mention whose entity is in the catalogue and is not linked in its question:

- longer name, part of the name: its span is not linked, but a span that contains it is, or one inside it;
- NIL wins: its entity is the best candidate, and NIL is more likely;
- below γ: its entity is the best candidate, and the score is too low;
- not seen: the span has a log p(mention) below −6;
- film or series: the best candidate and the entity are both works; place: both are places;
- the name wins: the words are the label or an alias of the best candidate, as they are written;
- another entity: all others.

A link whose entity is not in the gold set, and that overlaps no such mention:

- link of a NIL mention: it overlaps a gold mention without an entity;
- generic noun: see elq/linking/concepts.py; no mention: the question has no gold mention; further link: all others.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elq.disambiguation.split import is_development
from elq.evaluation.comparison import RESAMPLES, matched
from elq.evaluation.evaluate import evaluate_links, known_questions
from elq.evaluation.intervals import Ratio, interval, resampled
from elq.evaluation.metrics import METRICS, question_sums, ratios_of
from elq.files import write_json
from elq.linking.balance import Balance
from elq.linking.concepts import is_concept, ordinary
from elq.linking.linker import Linker
from elq.questions.annotated import read_questions
from elq.questions.predicted import as_json
from elq.types import Entity, Link, Mention, Question

FLOOR = -6.0  # far below every γ; a lower one only makes the measurement slower
SETS = ("webqsp_dev", "mintaka_a", "simplequestions_dev", "lcquad2", "erd")
FOLDED = ("mintaka_a", "lcquad2", "erd")
WORK = re.compile(
    r"\b(film|movie|series|season|franchise|novel|book|album|song|single|soundtrack|video game|musical|play|episode|comics?)\b"
)
PLACE = re.compile(
    r"\b(city|town|village|county|state|country|province|district|island|region|capital|municipality|suburb|neighborhood|"
    r"township|borough|community|place|kingdom|republic)\b"
)
Links = Sequence[Sequence[Link]]


@dataclass(frozen=True)
class Error:
    """One error: its kind, the words, what is right and what the linker says."""

    kind: str
    question: Question
    mention: str
    gold: str | None
    found: str | None
    note: str


def known(name: str, questions: list[Question], linker: Linker) -> list[Question]:
    """The questions of a set that are measured: in mintaka_a and lcquad2 those whose entities are all in the catalogue."""
    if name == "mintaka_a":
        return [q for q in questions if q.mentions and all(m.entity is not None for m in q.mentions)]
    if name == "lcquad2":
        catalogue = linker.entities.catalogue
        ids = sorted({entity for q in questions for entity in q.other_entities})
        there = {entity for entity, row in zip(ids, catalogue.rows(ids).tolist(), strict=True) if row >= 0}
        return [q for q in questions if q.other_entities and there.issuperset(q.other_entities)]
    return questions


def figures(name: str, questions: Sequence[Question], links: Links) -> dict[str, float]:
    """The figures of a set."""
    values = evaluate_links(questions, links)
    chosen = {
        "webqsp_dev": ("set_in_catalogue_micro_f1", "main_entity_recall", "set_in_catalogue_micro_precision"),
        "mintaka_a": ("weak_micro_f1", "strong_micro_f1", "main_entity_recall"),
        "simplequestions_dev": ("set_in_catalogue_micro_f1", "main_entity_recall"),
        "lcquad2": ("set_all_micro_precision", "set_all_micro_recall", "set_all_micro_f1"),
        "erd": ("set_all_micro_precision", "set_all_micro_recall", "set_all_micro_f1"),
    }[name]
    found = {key: values[key] for key in chosen}
    if name == "erd":
        empty = [len(of) for q, of in zip(questions, links, strict=True) if not q.mentions]
        found["links_per_query_without_mention"] = sum(empty) / max(len(empty), 1)
        found["queries_without_mention"] = len(empty)
    return {"questions": len(questions), **found}


def kind_of_thing(entity: Entity | None) -> str | None:
    """Whether an entity is a work or a place, by its description and types."""
    text = "" if entity is None else " ".join((entity.description.split(",")[0], *entity.types)).lower()
    return "film or series" if WORK.search(text) else "place" if PLACE.search(text) else None


def lost_kind(mention: Mention, words: str, span: Link | None, shown: Sequence[Link], records: dict[str, Entity]) -> str:
    """The kind of error of a gold mention whose entity is not linked; ``span`` is its span with its candidates."""
    over = [
        x for x in shown if x.start < mention.end and mention.start < x.end and (x.start, x.end) != (mention.start, mention.end)
    ]
    if any(x.start <= mention.start and mention.end <= x.end for x in over):
        return "longer name"
    if over:
        return "part of the name"
    if span is None:
        return "not seen"
    best = span.candidates[0]
    if best.entity == mention.entity:
        return "NIL wins" if (span.nil_score or FLOOR) > best.score else "below γ"
    one, other = records.get(best.entity), records.get(str(mention.entity))
    if (kind := kind_of_thing(one)) is not None and kind == kind_of_thing(other):
        return kind
    names = {name.casefold() for name in (one.label, *one.aliases)} if one else set()
    return "the name wins" if words.casefold() in names else "another entity"


def errors_of(question: Question, shown: Sequence[Link], every: Sequence[Link], records: dict[str, Entity]) -> list[Error]:
    """The errors of a question."""
    gold = {m.entity for m in question.mentions if m.entity is not None} | set(question.other_entities)
    linked, found, lost = {x.entity for x in shown}, [], []
    for m in question.mentions:
        if m.entity is None or m.entity in linked:
            continue
        lost.append(m)
        words = question.text[m.start : m.end]
        span = next((x for x in every if (x.start, x.end) == (m.start, m.end)), None)
        note = (
            ""
            if span is None
            else f"mention {span.mention_score:.2f}, NIL {span.nil_score or 0:.2f}, "
            + ", ".join(f"{c.entity} {c.title} {c.score:.2f}" for c in span.candidates[:3])
        )
        best = None if span is None else span.candidates[0].entity
        found.append(Error(lost_kind(m, words, span, shown, records), question, words, m.entity, best, note))
    for x in shown:
        if x.entity in gold or any(x.start < m.end and m.start < x.end for m in lost):
            continue
        record = records.get(x.entity)
        if any(m.entity is None and x.start < m.end and m.start < x.end for m in question.mentions):
            kind = "link of a NIL mention"
        elif record is not None and is_concept(record) and ordinary(question.text, x.start, x.end):
            kind = "generic noun"
        elif not question.mentions and not question.other_entities:
            kind = "no mention"
        else:
            kind = "further link"
        found.append(Error(kind, question, x.mention, None, x.entity, f"{x.title}, score {x.score:.2f}"))
    return found


def captions(linker: Linker, questions: Sequence[Question]) -> dict[str, float]:
    """Recall@1 of given mentions, of the entities of the development part (elq/disambiguation/split.py)."""
    pairs = [(q, [m for m in q.mentions if m.entity is not None and is_development(m.entity)]) for q in questions]
    pairs = [(q, mentions) for q, mentions in pairs if mentions]
    found = linker.link([q.text for q, _ in pairs], mentions=[[(m.start, m.end) for m in ms] for _, ms in pairs])
    right = [
        link.entity == m.entity for (_, ms), links in zip(pairs, found, strict=True) for m, link in zip(ms, links, strict=True)
    ]
    return {"mentions": len(right), "recall@1": sum(right) / max(len(right), 1)}


def measured(
    name: str, questions: list[Question], linker: Linker, options: argparse.Namespace
) -> tuple[dict[str, Any], list[Error]]:
    """The figures and errors of a set; its links are written."""
    scored = linker.score([q.text for q in questions], threshold=FLOOR)
    links, every = linker.links(scored), scored.links(FLOOR, overlaps=True)
    lines = (f"{as_json(q, of)}\n" for q, of in zip(questions, links, strict=True))
    (options.output / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    ids = {c.entity for of in every for x in of for c in x.candidates[:1]} | {x.entity for of in links for x in of}
    ids |= {str(m.entity) for q in questions for m in q.mentions if m.entity is not None}
    records = linker.entities.catalogue.by_id(sorted(ids))
    errors = [e for q, a, b in zip(questions, links, every, strict=True) for e in errors_of(q, a, b, records)]
    found: dict[str, Any] = figures(name, questions, links)
    other = "keep" if linker.concepts == "drop" else "drop"
    found[f"concepts {other}"] = figures(name, questions, linker.links(scored, concepts=other))
    if options.base is not None:
        before = matched(options.base / f"{name}.jsonl", questions)
        found["against the base"] = paired_f1(questions, [before], links)
    return found, errors


def paired_f1(questions: Sequence[Question], before: Sequence[Links], after: Links) -> dict[str, float]:
    """The difference in set-level F1 over all questions, with its 95% interval, by a paired bootstrap.

    ``before`` has the links of one or several models; the F1 of several is that of all their links together.
    """
    name = "set_all_micro_f1"
    *old, new = (ratios_of(question_sums(questions, links, metrics={name: METRICS[name]}))[name] for links in (*before, after))
    pooled = Ratio(*np.sum(old, axis=0))  # (Q,) twice
    drawn = resampled({0: pooled, 1: new}, resamples=RESAMPLES, seed=0)
    gain, low, high = interval(drawn[1] - drawn[0])
    return {"set_all_f1": float(drawn[1][0]), "gain": gain, "low": low, "high": high}


def main() -> None:
    """Measure every set, print the figures and the kinds of errors, and write both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model folder")
    parser.add_argument("--questions", type=Path, default=Path("../shared/questions"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--base", type=Path, help="output folder of another model")
    parser.add_argument("--fold", help="n/m: only the questions n, n + m, … of mintaka_a, lcquad2 and erd")
    parser.add_argument("--sets", nargs="+", default=[*SETS, "captions"])
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--nil-shift", type=float)
    parser.add_argument("--name-factor", type=float)
    parser.add_argument("--small-shift", type=float)
    parser.add_argument("--concepts", choices=("keep", "drop"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    linker = Linker.from_pretrained(options.model, concepts=options.concepts)
    own = linker.balance
    linker.scorer.retriever.balance = Balance(
        nil_shift=own.nil_shift if options.nil_shift is None else options.nil_shift,
        name_factor=own.name_factor if options.name_factor is None else options.name_factor,
        small_shift=own.small_shift if options.small_shift is None else options.small_shift,
    )
    linker.threshold = linker.threshold if options.threshold is None else options.threshold
    about: dict[str, Any] = {"model": options.model, "threshold": linker.threshold, **dict(linker.further())}
    print(about)
    found: dict[str, Any] = {}
    counts: dict[str, Counter[str]] = {}
    with (options.output / "errors.jsonl").open("w", encoding="utf-8") as stream:
        for name in options.sets:
            file = options.questions / f"{name}.jsonl"
            questions = known_questions(read_questions(file, linker.entities.catalogue), linker.entities.catalogue)
            if options.fold and name in FOLDED:
                first, step = map(int, options.fold.split("/"))
                questions = questions[first::step]
            if name == "captions":
                found[name] = captions(linker, questions)
            else:
                found[name], errors = measured(name, known(name, questions, linker), linker, options)
                counts[name] = Counter(error.kind for error in errors)
                for e in errors:
                    record = {**vars(e), "set": name, "question": e.question.text, "id": e.question.id}
                    stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            print(name, json.dumps(found[name]), flush=True)
    write_json(options.output / "figures.json", {**about, "figures": found, "errors": counts})
    kinds = sorted({kind for of in counts.values() for kind in of}, key=lambda kind: -sum(of[kind] for of in counts.values()))
    print("\n| kind of error |", " | ".join(counts), "|")
    print("|---" * (len(counts) + 1) + "|")
    for kind in kinds:
        print(f"| {kind} |", " | ".join(str(of[kind]) for of in counts.values()), "|")


if __name__ == "__main__":
    main()
