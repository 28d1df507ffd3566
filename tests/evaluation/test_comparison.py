"""`elq compare`: its figures, its interval against a slow bootstrap, the changed questions, and bad files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.commands import run
from elq.errors import ElqError
from elq.evaluation.comparison import FIGURES, changes, compare, matched
from elq.evaluation.counting import Counts, count
from elq.evaluation.evaluate import evaluate_links
from elq.questions.predicted import as_json, read_predictions
from elq.types import Candidate, Link, Mention, Question
from tests.conftest import QUESTIONS, write_lines

TEXT = "the quick brown fox jumps"
ONE = '{"id": "1", "text": "paris", "links": []}'


def link(start: int, end: int, entity: str, text: str = TEXT) -> Link:
    return Link(start, end, text[start:end], entity, f"title of {entity}", "", -0.5, (), -0.25, 0.75)


def random_case(count: int, seed: int = 0) -> tuple[list[Question], list[list[Link]], list[list[Link]]]:
    """Questions of all groups, and two linkers of different quality."""
    random, entities = np.random.default_rng(seed), ["Q1", "Q2", "Q3"]
    questions, sides = [], ([], [])
    for n in range(count):
        spans = [(0, 3), (4, 9), (16, 19)][: random.integers(0, 4)]
        gold = [str(random.choice(entities)) if random.random() < 0.85 else None for _ in spans]
        mentions = tuple(Mention(*span, entity) for span, entity in zip(spans, gold, strict=True))
        questions.append(Question(str(n), TEXT, mentions, ("Q9",) if random.random() < 0.2 else ()))
        for side, quality in zip(sides, (0.6, 0.7), strict=True):
            right = [m for m in mentions if random.random() < quality]
            found = [link(m.start, m.end, m.entity or "Q1") for m in right]
            side.append(found + ([link(10, 15, "Q2")] if random.random() < 0.3 else []))
    return questions, *sides


def figures(questions, links) -> list[float]:
    values = evaluate_links(questions, links)
    names = ["main_entity_recall" if task == "main" else f"{task}_micro_{quality}" for task, quality in FIGURES]
    return [values[name] for name in names]


def test_the_figures_are_those_of_evaluate():
    questions, a, b = random_case(60)
    found = compare(questions, a, b, resamples=10)
    assert [row.a for row in found] == pytest.approx(figures(questions, a))
    assert [row.b for row in found] == pytest.approx(figures(questions, b))
    assert {row.a for row in compare(questions, [[]] * 60, b, resamples=10)} == {0.0}


def test_interval_and_p_are_those_of_a_slow_bootstrap():
    """Slow oracle, question by question and resample by resample. The same questions are drawn for A and for B."""
    questions, a, b = random_case(40)
    counted = [[count(question, found) for question, found in zip(questions, links, strict=True)] for links in (a, b)]
    random, drawn = np.random.default_rng(1), []
    for _ in range(1_500):
        places, sides = random.integers(0, 40, 40), []
        for counts in counted:
            sums = [[counts[n][task] for n in places if task in counts[n]] for task, _ in FIGURES]
            totals = [Counts(*map(sum, zip(*some, strict=True))) for some in sums]
            sides.append([total.quality()[quality] for total, (_, quality) in zip(totals, FIGURES, strict=True)])
        drawn.append(np.subtract(*reversed(sides)))
    samples = np.array(drawn)  # (R, figures)
    found = compare(questions, a, b, resamples=40_000, seed=3)
    low, high = np.quantile(samples, (0.025, 0.975), axis=0)
    assert [row.low for row in found] == pytest.approx(low, abs=0.015)
    assert [row.high for row in found] == pytest.approx(high, abs=0.015)
    p = np.minimum(1, 2 * np.minimum((samples <= 0).mean(0), (samples >= 0).mean(0)))
    assert [row.p for row in found] == pytest.approx(p, abs=0.04)
    assert min(p) < 0.5


def test_seed_and_number_of_resamples_matter_and_repeat():
    questions, a, b = random_case(40)
    assert compare(questions, a, b, resamples=100) == compare(questions, a, b, resamples=100)
    assert compare(questions, a, b, resamples=100) != compare(questions, a, b, resamples=100, seed=1)
    assert compare(questions, a, b, resamples=1_500) != compare(questions, a, b, resamples=1_000)
    turned = compare(questions, b, a, resamples=2_000)
    for row, other in zip(compare(questions, a, b, resamples=2_000), turned, strict=True):
        assert (row.b - row.a, row.low) == pytest.approx((other.a - other.b, -other.high), abs=0.02)


def test_the_same_links_differ_by_nothing_and_better_ones_surely():
    questions, a, _ = random_case(80)
    for row in compare(questions, a, a, resamples=100):
        assert (row.low, row.high, row.p) == (0.0, 0.0, 1.0)
    best = [[link(m.start, m.end, m.entity) for m in q.mentions if m.entity] for q in questions]
    for row in compare(questions, a, best, resamples=999):
        assert row.low > 0
        assert row.p == 0.002  # none of 999 resamples: the least there can be
    for wrong in ({"resamples": 0}, {"questions": [], "a": [], "b": []}):
        with pytest.raises(ElqError, match="give at least one of each"):
            compare(**{"questions": questions, "a": a, "b": a, **wrong})


def test_changes_by_hand():
    questions = [Question(str(n), TEXT, (Mention(0, 3, "Q1"),)) for n in range(5)]
    right, moved, wrong = [link(0, 3, "Q1")], [link(0, 9, "Q1")], [link(0, 3, "Q2")]
    a, b = [right, right, wrong, right, []], [right, wrong, right, moved, wrong]
    assert [(change.question.id, change.kind) for change in changes(questions, a, b)] == [
        ("1", "lost"),
        ("2", "won"),
        ("3", "changed"),
        ("4", "changed"),
    ]
    nothing = Question("5", TEXT)
    assert [change.kind for change in changes([nothing], [wrong], [[]])] == ["won"]
    assert changes([nothing], [right], [[replace(right[0], score=-3.0)]]) == []


numbers = st.floats(-50, 0)
found_links = st.builds(
    lambda start, width, score, mention, p, candidates: replace(
        link(start, start + width, "Q1"), score=score, mention_score=mention, probability=p, candidates=tuple(candidates)
    ),
    st.integers(0, 9),
    st.integers(0, 9),
    numbers,
    numbers,
    st.none() | st.floats(0, 1),
    st.lists(st.builds(Candidate, st.text(), st.text(), numbers), max_size=2),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(found_links, max_size=3))
def test_what_is_written_is_read(tmp_path_factory, links):
    path = tmp_path_factory.mktemp("written") / "p.jsonl"
    path.write_text(as_json(Question("é1", TEXT), links) + "\n", encoding="utf-8")
    assert read_predictions(path) == ([Question("é1", TEXT)], [links])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": 5, "links": []}, "text is 5"),
        ({"text": "paris"}, "links is None, but must be a list"),
        ({"links": [7]}, "a link is 7"),
        ({"links": [{"start": 3, "end": 99}]}, "start 3 and end 99, but both must lie in the text of 5"),
        ({"links": [{"start": True, "end": 3}]}, "start True"),
        ({"links": [{"start": 0, "end": 3, "mention": "pap"}]}, "the mention 'pap', but the text has 'par' there"),
        ({"links": [{"start": 0, "end": 3}]}, "the entity None"),
        ({"links": [{"start": 0, "end": 3, "entity": "Q1"}]}, "score is None"),
        ({"links": [{"start": 0, "end": 3, "entity": "Q1", "score": 10**400}]}, "score is 1000"),
        ({"links": [{"start": 0, "end": 3, "entity": "Q1", "score": 0, "title": 1}]}, "title is 1"),
        ({"links": [{"start": 0, "end": 3, "entity": "Q1", "score": 0, "candidates": [1]}]}, r"candidates is \[1\]"),
        ({"links": [{"start": 0, "end": 3, "entity": "Q1", "score": 0, "probability": "x"}]}, "probability is 'x'"),
        ({"links": [{"start": 0, "end": 3, "entity": "Q1", "score": 0, "mention_score": None}]}, "mention_score is None"),
    ],
)
def test_a_bad_prediction_is_named_with_its_line(record, message, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(f"{ONE}\n{json.dumps({'text': 'paris', **record})}\n")
    with pytest.raises(ElqError, match=f"p.jsonl, line 2: .*{message}"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([ONE], r"lacks 1 of the questions, such as id '2': predict all"),
        ([ONE, ONE], "has the id '1' twice"),
        ([ONE, ONE.replace("1", "2"), ONE.replace("1", "3")], "has 1 questions too many, such as id '3'"),
        (
            [ONE, ONE.replace("1", "2").replace("paris", "Paris")],
            "has the text 'Paris' for id '2', but the annotated text is 'paris'",
        ),
    ],
)
def test_files_that_do_not_fit_the_questions(lines, message, tmp_path):
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    with pytest.raises(ElqError, match=message):
        matched(tmp_path / "p.jsonl", [Question("1", "paris"), Question("2", "paris")])
    with pytest.raises(ElqError, match="the annotated questions has the id '1' twice"):
        matched(tmp_path / "p.jsonl", [Question("1", "paris"), Question("1", "paris")])


@pytest.fixture
def files(tmp_path) -> list[str]:
    """Annotated questions, their predictions in another order, and worse predictions."""
    records = []
    for n, (text, name, entity) in enumerate(QUESTIONS):
        at = text.index(name)
        records.append({"id": f"q{n}", "text": text, "mentions": [{"start": at, "end": at + len(name), "entity": entity}]})
    lines = []
    for record in records:
        question, [m] = Question(record["id"], record["text"]), record["mentions"]
        lines.append(as_json(question, [link(m["start"], m["end"], m["entity"] or "Q1", question.text)]))
    paths = [write_lines(tmp_path / "gold.jsonl", records), tmp_path / "good.jsonl", tmp_path / "bad.jsonl"]
    paths[1].write_text("\n".join(lines[::-1]))
    paths[2].write_text("\n".join([*lines[:6], *(as_json(Question(r["id"], r["text"]), []) for r in records[6:])]))
    return [str(path) for path in paths]


def test_the_command(files, tmp_path, capsys):
    gold, good, bad = files
    changed = tmp_path / "changed.jsonl"
    assert run("compare", [bad, good, "--questions", gold, "--changed", str(changed), "--show", "1"]) == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if "main one in the catalogue, F1" in line)
    assert "0.8333" in row
    assert "1.0000" in row
    assert "+0.1667" in row
    assert "2 questions changed: 2 won, 0 lost, 0 changed otherwise" in said
    assert "won  q6  the ship titanic" in said
    assert "A  nothing" in said
    assert "q7" not in said  # one is shown
    records = [json.loads(line) for line in changed.read_text().splitlines()]
    assert [(r["id"], r["change"], r["gold"], r["a"]) for r in records] == [
        ("q6", "won", ["Q25173"], []),
        ("q7", "won", ["Q1471"], []),
    ]
    assert records[0]["b"][0]["entity"] == "Q25173"
    assert run("compare", [good, bad, "--questions", gold, "--show", "0"]) == 0
    turned = capsys.readouterr().out
    assert "-0.1667" in turned
    assert "0 won, 2 lost" in turned
    assert "q6" not in turned


def test_a_models_catalogue_says_which_gold_entities_count(files, entities_folder, tmp_path, capsys):
    gold, good, bad = files
    records = [json.loads(line) for line in Path(gold).read_text().splitlines()]
    records[7]["mentions"][0]["entity"] = "Q999"  # which the catalogue lacks
    gold = str(write_lines(tmp_path / "other.jsonl", records))
    sums = []
    for options in ([], ["--model", str(entities_folder)]):
        assert run("compare", [bad, good, "--questions", gold, *options]) == 0
        sums.append(next(x for x in capsys.readouterr().out.splitlines() if "main one in the catalogue, F1" in x))
    assert sums[0] != sums[1]


def test_bad_input(files, capsys):
    gold, good, _ = files
    for arguments, message in (
        ([good, "none.jsonl", "--questions", gold], "none.jsonl does not exist"),
        ([good, good, "--questions", "none.jsonl"], "none.jsonl does not exist"),
        ([good, gold, "--questions", gold], "gold.jsonl, line 1: links is None"),
        ([good, good, "--questions", gold, "--seed", "-1"], "--seed is -1"),
        ([good, good, "--questions", gold, "--resamples", "0"], "0 resamples"),
        ([good, good, "--questions", gold, "--model", "none"], "none"),
    ):
        assert run("compare", arguments) == 2, arguments
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
