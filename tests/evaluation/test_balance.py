"""`elq tune --balance`: the shift needs no new search, and the choice is kept only where it helps other questions."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from elq import Linker
from elq.commands import run
from elq.errors import ElqError
from elq.evaluation import balance as balances
from elq.evaluation.balance import choose_balance, counts_at, scores_of, shifted_spans, threshold_of
from elq.evaluation.evaluate import evaluate, evaluate_links, known_questions
from elq.evaluation.sweep import SWEEP_FLOOR
from elq.evaluation.tune import links_at
from elq.linking.balance import AS_LEARNED, Balance
from elq.linking.decision import Decision
from elq.linking.folder import DECISION
from elq.questions.annotated import read_questions
from elq.types import Link, Mention, Question
from tests.linking.test_linker import same
from tests.linking.test_old_folders import MODEL

pytestmark = pytest.mark.usefixtures("quiet")
DEV = Path(__file__).parents[2] / "elq" / "starter" / "dev.jsonl"
OTHER = Balance(nil_shift=-2.0, name_factor=0.5)


@pytest.fixture
def folder(tmp_path) -> Path:
    return shutil.copytree(MODEL, tmp_path / "model")


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "dev.jsonl"
    path.write_text("".join(DEV.read_text(encoding="utf-8").splitlines(keepends=True)[:60]), encoding="utf-8")
    return path


def test_shifted_spans_are_those_of_a_linker_with_the_shift(file):
    linker = Linker.from_pretrained(MODEL)
    texts = [question.text for question in read_questions(file)][:20]
    linker.scorer.retriever.balance = Balance(nil_shift=11.0)
    plain = linker.score(texts, threshold=SWEEP_FLOOR).links(SWEEP_FLOOR, overlaps=True)
    linker.scorer.retriever.balance = Balance(nil_shift=13.0)
    wanted = linker.score(texts, threshold=SWEEP_FLOOR).links(SWEEP_FLOOR, overlaps=True)
    found = [[x for x in links if x.score >= SWEEP_FLOOR] for links in shifted_spans(plain, 2.0)]
    assert sum(map(len, wanted)) > 30
    for links, others in zip(found, wanted, strict=True):
        same([replace(x, candidates=()) for x in links], [replace(x, candidates=()) for x in others])
        assert [x.nil_score for x in links] == pytest.approx([x.nil_score for x in others], abs=1e-4)
    assert shifted_spans(plain, 0.0) == [list(links) for links in plain]
    with pytest.raises(ElqError, match="trained without NIL"):
        shifted_spans([[Link(0, 1, "", "Q1", "", "", -1.0)]], 1.0)


def test_the_figures_of_the_command_are_those_of_the_folder_that_it_writes(folder, file, monkeypatch):
    monkeypatch.setattr(balances, "FACTORS", (1.0, 0.5))
    monkeypatch.setattr(balances, "SHIFTS", (0.0, 9.0))
    chosen = Balance(nil_shift=9.0, name_factor=0.5)
    monkeypatch.setattr(balances, "choose_balance", lambda *a, **b: balances.BalanceChoice(chosen, 0.0, 0.0, chosen))
    assert run("tune", ["--model", str(folder), "--questions", str(file), "--balance"]) == 0
    decision, linker = Decision.load(folder), Linker.from_pretrained(folder)
    assert decision.balance == linker.balance == chosen
    assert decision.chosen is not None
    questions = known_questions(read_questions(file), linker.entities.catalogue)
    assert evaluate(linker, questions)["set_in_catalogue_micro_f1"] == pytest.approx(decision.chosen["f1"], abs=1e-9)
    assert {path.name for path in folder.glob("balance-*.jsonl")} == {"balance-1.jsonl", "balance-0.5.jsonl"}


def test_a_folder_keeps_its_balance_when_only_thresholds_are_chosen(folder, file):
    values = json.loads((folder / DECISION).read_text()) if (folder / DECISION).exists() else None
    Decision(**{**(values or {"threshold": -2.0, "score_mode": "table"}), "name_factor": 0.5}).save(folder)
    assert run("tune", ["--model", str(folder), "--questions", str(file)]) == 0
    assert Decision.load(folder).name_factor == 0.5
    questions = known_questions(read_questions(file), Linker.from_pretrained(folder).entities.catalogue)
    reached = evaluate(Linker.from_pretrained(folder), questions)["set_in_catalogue_micro_f1"]
    assert Decision.load(folder).chosen["f1"] == pytest.approx(reached, abs=1e-9)


def test_counts_and_thresholds_are_those_of_an_evaluation(file):
    linker = Linker.from_pretrained(MODEL)
    questions = known_questions(read_questions(file), linker.entities.catalogue)
    spans = linker.score([q.text for q in questions], threshold=SWEEP_FLOOR).links(SWEEP_FLOOR, overlaps=True)
    scores = scores_of(questions, spans, "set_in_catalogue")
    threshold, f1 = threshold_of(scores)
    expected = evaluate_links(questions, links_at(spans, None, threshold))["set_in_catalogue_micro_f1"]
    assert f1 == pytest.approx(expected) == pytest.approx(counts_at(scores, threshold).quality()["f1"])
    assert 0 < f1 < 1


def one(score: float, right: float) -> tuple[list[tuple[float, float]], int]:
    return [(score, right)], 1


def test_a_balance_is_chosen_if_it_helps_questions_on_which_it_was_not_chosen():
    learned = [one(-1.0, float(n % 2)) for n in range(40)]
    better = [one(-1.0, float(n % 4 > 0)) for n in range(40)]
    choice = choose_balance({AS_LEARNED: learned, OTHER: better})
    assert choice.balance == choice.best == OTHER
    assert choice.cross_fitted > choice.threshold_alone
    same_for_all = choose_balance({AS_LEARNED: learned, OTHER: learned})
    assert same_for_all.balance == AS_LEARNED
    with pytest.raises(ElqError, match="there are 3 questions"):
        choose_balance({AS_LEARNED: learned[:3]})


def test_a_balance_that_is_best_by_luck_is_not_chosen():
    """Many balances are right on half of the questions, each on others, so one is best by luck, and no better on new ones."""
    draws = random.Random(0)
    scores = {AS_LEARNED: [one(-1.0, float(n % 5 < 3)) for n in range(40)]}
    scores |= {Balance(nil_shift=-n / 10): [one(-1.0, float(draws.random() < 0.5)) for _ in range(40)] for n in range(1, 40)}
    choice = choose_balance(scores)
    assert choice.best != AS_LEARNED
    assert choice.cross_fitted < choice.threshold_alone
    assert choice.balance == AS_LEARNED


def test_the_command_refuses_what_does_not_fit(folder, file, capsys):
    options = ["--model", str(folder), "--questions", str(file), "--balance", "--predictions", "x.jsonl"]
    assert run("tune", options) == 2
    assert "leave out one" in capsys.readouterr().err


def test_a_question_set_of_one_mention():
    question = Question("1", "new york", (Mention(0, 8, "Q60"),))
    link = Link(0, 8, "new york", "Q60", "", "", -1.0, nil_score=-0.7)
    [[moved]] = shifted_spans([[link]], -3.0)
    assert moved.score > link.score
    assert moved.nil_score < link.nil_score
    assert scores_of([question], [[moved]], "set_all")[0] == ([(moved.score, 1.0)], 1)
