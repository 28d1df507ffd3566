"""`elq tune`: linking once gives the links of the linker at all thresholds; the best thresholds are chosen and stored."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from elq import Linker
from elq.commands import run
from elq.errors import ElqError
from elq.evaluation import tune
from elq.evaluation.evaluate import Observed, evaluate, evaluate_links
from elq.evaluation.reliability import cross_fitted, fit_calibration, reliability
from elq.evaluation.sweep import OBJECTIVES, SWEEP_FLOOR, Threshold, ThresholdSweep
from elq.linking.decision import Decision
from elq.linking.folder import DECISION
from elq.model.network import ELQ
from elq.questions.annotated import read_questions
from elq.questions.predicted import read_predictions
from elq.training.export import export_folder
from elq.types import Link, Mention, Question
from tests.conftest import QUESTIONS, RECORDS, write_lines
from tests.linking.test_linker import same

pytestmark = pytest.mark.usefixtures("quiet")


def annotated(model: Path, prefix: str = "") -> list[dict]:
    """Question records whose gold mentions are what the model gives at some mention threshold; some entities are wrong.

    So no γ alone is best. The first gold entity is one that the catalogue lacks.
    """
    linker, texts = Linker.from_pretrained(model), [f"{text} {n or ''}".strip() for n in range(4) for text, _, _ in QUESTIONS]
    every = linker.score(texts, threshold=SWEEP_FLOOR).links(SWEEP_FLOOR, overlaps=True)
    scores = sorted(span.mention_score for spans in every for span in spans)
    linker.mention_threshold = scores[len(scores) // 2]
    records, lacking = [], ["Q7777"]
    for n, (text, links) in enumerate(zip(texts, linker.link(texts, threshold=-3.0), strict=True)):
        wrong = RECORDS[n % len(RECORDS)]["id"] if n % 8 == 0 else None
        mentions = [{"start": x.start, "end": x.end, "entity": lacking.pop() if lacking else wrong or x.entity} for x in links]
        records.append({"id": f"{prefix}{n}", "text": text, "mentions": mentions})
    return records


@pytest.fixture
def folder(encoder_folder, tokenizer, entities, entities_folder, tmp_path) -> Path:
    """A random model: spans of all scores overlap, and no entity has a high probability."""
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, scale=4.0).eval()
    how = Decision(threshold=-4.0, candidates=3)
    export_folder(tmp_path / "model", model, tokenizer, entities, entities_folder, how)
    return tmp_path / "model"


@pytest.fixture
def file(folder, tmp_path) -> Path:
    return write_lines(tmp_path / "dev.jsonl", annotated(folder))


def tuned(folder: Path, *files: Path, options=()) -> Decision:
    assert run("tune", ["--model", str(folder), "--questions", *map(str, files), *options]) == 0
    return Decision.load(folder)


def test_the_kept_spans_give_the_linkers_links_at_every_setting(folder, file, tmp_path):
    linker, questions = Linker.from_pretrained(folder), read_questions(file)
    before = {**vars(linker)}, {**vars(linker.scorer)}
    spans = tune.all_spans(linker, questions, tmp_path / "spans.jsonl", {"a": 1})
    assert (vars(linker), vars(linker.scorer)) == before
    assert any(one.end > other.start for found in spans for one, other in itertools.pairwise(found))
    seen = set()
    scores, mentions = (sorted(getattr(x, kind) for found in spans for x in found) for kind in ("score", "mention_score"))
    settings = ([None, *mentions[10::150]], [SWEEP_FLOOR, *scores[10::200]])
    for least, threshold in itertools.product(*([x and x - 1e-4 for x in some] for some in settings)):  # off the scores
        linker.mention_threshold = least
        links = linker.link([question.text for question in questions], threshold=threshold)
        for found, expected in zip(tune.links_at(spans, least, threshold), links, strict=True):
            same(found, [replace(link, candidates=()) for link in expected])  # up to the rounding of other batches
            assert [link.mention_score for link in found] == pytest.approx([link.mention_score for link in expected], abs=1e-4)
        seen.add(str(links))
    assert len(seen) > 8


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_f1_that_tune_reports_is_what_evaluate_measures_with_the_folder(objective, folder, file, capsys):
    decision = tuned(folder, file, options=["--objective", objective])
    linker = Linker.from_pretrained(folder)
    assert (linker.threshold, linker.mention_threshold) == (decision.threshold, decision.mention_threshold)
    metrics = evaluate(linker, read_questions(file))
    assert decision.mention_threshold is not None
    assert 0 < decision.chosen["f1"] == metrics[f"{objective}_micro_f1"]
    row = next(line for line in capsys.readouterr().out.splitlines() if "chosen" in line)
    for quality in ("precision", "recall", "f1"):
        assert f"{metrics[f'{objective}_micro_{quality}']:.4f}" in row
    expected = {
        "by": "elq tune",
        "questions": ["dev.jsonl"],
        "objective": objective,
        "score_mode": "candidates",
        "candidates": 3,
    }
    assert decision.chosen == {**expected, "index": "exact", "f1": decision.chosen["f1"]}


def test_no_pair_of_the_grid_is_better(folder, file):
    decision = tuned(folder, file)
    questions, (_, spans) = read_questions(file), read_predictions(folder / "tune.jsonl")
    questions = [
        replace(q, mentions=tuple(replace(m, entity=None) if m.entity == "Q7777" else m for m in q.mentions)) for q in questions
    ]
    scores = sorted({span.score for found in spans for span in found})
    grid = tune.mention_grid(spans, tune.choices(questions, spans, "set_in_catalogue")[0].reached.threshold)
    assert len(grid) > 10
    reached = [
        evaluate_links(questions, tune.links_at(spans, least, threshold))["set_in_catalogue_micro_f1"]
        for least in (None, *grid[::2])
        for threshold in scores[:: max(1, len(scores) // 60)]
    ]
    assert decision.chosen["f1"] >= max(reached) - 1e-9
    assert len(set(reached)) > 10


def test_a_mention_threshold_is_chosen_where_it_alone_helps():
    """A wrong span that overlaps the right one and scores better has the lower mention score."""
    question = Question("1", "new york city", (Mention(0, 13, "Q60"),))
    wrong = Link(4, 13, "york city", "Q7", "", "", -1.0, (), -0.9)
    right = Link(0, 13, "new york city", "Q60", "", "", -1.2, (), -0.1)
    for objective in OBJECTIVES:
        found = tune.choices([question], [[right, wrong]], objective)
        assert found[0] == (None, Threshold())
        best = tune.best_of(found)
        assert (best.mention_threshold, best.reached.f1) == (-0.5, 1.0)
    assert tune.best_of(tune.choices([question], [[right]], "strong")).mention_threshold is None
    with pytest.raises(ElqError, match="strong F1 is 0 at every threshold"):
        tune.choices([question], [[wrong]], "strong")


def test_the_grid_spreads_over_the_mention_scores_of_links_and_of_what_they_hide():
    spans = [Link(n, n + 1, "", "Q1", "", "", -n / 100, (), -n / 100) for n in range(400)]
    grid = tune.mention_grid([spans], -2.0)
    assert len(grid) == tune.GRID
    gaps = np.diff([-4.0, *grid, 0.0])
    assert 0 < min(gaps[:-1]) <= max(gaps) < 0.14
    hidden = [replace(spans[0], score=-1.0, mention_score=-1.0), replace(spans[0], score=-3.0, mention_score=-2.0)]
    assert tune.mention_grid([[spans[0], *hidden]], -2.0) == [-0.5]  # the one below γ is not looked at
    assert tune.mention_grid([spans[:1]], -2.0) == tune.mention_grid([], -2.0) == []


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_curve_of_every_objective_is_what_evaluate_measures(objective):
    random = np.random.default_rng(4)
    questions, links = [], []
    for n in range(200):
        spans, names = [(0, 3), (4, 9), (10, 15), (16, 19)], ["Q1", "Q2", None]
        some = [spans[i] for i in sorted(random.choice(4, random.integers(0, 4), replace=False))]
        some = [(0, 9), (10, 19)] if n % 3 == 0 else some  # for which two links may compete
        mentions = tuple(Mention(*span, names[random.integers(0, 3)]) for span in some)
        questions.append(Question(str(n), "the quick brown fox jumps", mentions, ("Q3",) if n % 5 == 0 else ()))
        found = [(start + random.integers(0, 2), end + random.integers(0, 2)) for start, end in spans if random.random() < 0.7]
        links.append([Link(*span, "", f"Q{random.integers(1, 3)}", "", "", -round(random.random() * 4, 1)) for span in found])
    sweep = ThresholdSweep(objective)
    sweep.update(questions, links)
    curve = sweep.curve()
    assert len(curve) > 20
    for cut in curve:
        metrics = evaluate_links(questions, [[x for x in found if x.score >= cut.threshold] for found in links])
        expected = [metrics[f"{objective}_micro_{quality}"] for quality in ("f1", "precision", "recall")]
        assert cut[1:] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ElqError, match="the objective is 'typo', but must be one of set_in_catalogue"):
        ThresholdSweep("typo")


def test_neighbouring_scores_are_parted_as_the_linker_parts_them():
    """A linker compares in float32, where the middle of half of all neighbouring numbers is rounded down to the lower one."""
    question = Question("1", "new york city", (Mention(0, 8, "Q60"),))
    for high in np.linspace(-4, -0.1, 40, dtype=np.float32):
        upper, lower = float(high), float(np.nextafter(high, np.float32(-9)))
        spans = [Link(0, 8, "", "Q60", "", "", upper, (), upper), Link(9, 13, "", "Q7", "", "", lower, (), lower)]
        sweep = ThresholdSweep()
        sweep.update([question], [spans])
        assert sweep.compute().f1 == 1.0
        [least] = tune.mention_grid([spans], -8.0)
        for threshold in (sweep.compute().threshold, least):
            assert (torch.tensor([upper, lower]) >= threshold).tolist() == [True, False]
            assert Observed([question], [spans]).above(threshold).links == [spans[:1]]
            assert tune.links_at([spans], threshold) == tune.links_at([spans], None, threshold) == [spans[:1]]


@pytest.mark.parametrize("threshold", [-0.1, -0.3, -1.1])
def test_a_threshold_that_float32_cannot_hold_keeps_what_the_linker_keeps(threshold):
    score = float(np.float32(threshold))
    link = Link(0, 3, "", "Q1", "", "", score, (), score)
    kept = [[link] if torch.tensor(score) >= threshold else []]
    assert tune.links_at([[link]], None, threshold) == tune.links_at([[link]], threshold) == kept


def test_the_calibration_is_fitted_to_the_links_at_the_chosen_mention_threshold(folder, file, capsys):
    decision = tuned(folder, file, options=["--seed", "3"])
    assert decision.mention_threshold is not None
    questions, (_, spans) = read_questions(file), read_predictions(folder / "tune.jsonl")
    links = tune.links_at(spans, decision.mention_threshold)
    calibration = fit_calibration(questions, links)
    assert decision.calibration == list(calibration)
    said = capsys.readouterr().out
    probabilities, labels = cross_fitted(questions, links, seed=3)
    above = [link.score >= decision.threshold for found in links for link in found]
    for name, part in (("links above the floor", slice(None)), ("links at least γ", above)):
        row, expected = next(x for x in said.splitlines() if name in x), reliability(probabilities[part], labels[part])
        for figure in (expected.ece, *expected.band):
            assert f"{figure:.4f}" in row
    for link in Linker.from_pretrained(folder).link(questions[0].text, threshold=SWEEP_FLOOR):
        assert link.probability == calibration.probability(link.mention_score, link.score - link.mention_score)


def test_links_are_used_again_until_model_or_questions_change(folder, file, tmp_path, monkeypatch):
    more = write_lines(tmp_path / "more.jsonl", annotated(folder, "x"))
    linked = []
    plain = Linker.score
    monkeypatch.setattr(Linker, "score", lambda self, texts, **how: linked.extend(texts) or plain(self, texts, **how))
    first = tuned(folder, file)
    assert len(linked) == 32
    for options in ([], ["--objective", "strong"], ["--predictions", str(folder / "tune.jsonl")]):
        tuned(folder, file, options=options)  # its own manifest has changed, in nothing that the links depend on
    assert len(linked) == 32
    assert tuned(folder, file) == first
    tuned(folder, file, options=["--predictions", str(tmp_path / "elsewhere" / "p.jsonl")])
    assert len(linked) == 64
    assert tuned(folder, file, more).chosen["questions"] == ["dev.jsonl", "more.jsonl"]
    assert len(linked) == 64 + 64
    more.write_text(more.read_text().replace('"x', '"y'))  # of the same size
    tuned(folder, file, more)
    assert len(linked) == 64 + 128
    values = json.loads((folder / DECISION).read_text())
    (folder / DECISION).write_text(json.dumps({**values, "candidates": 2}))
    tuned(folder, file, more)
    assert len(linked) == 64 + 192
    with (folder / "config.json").open("a") as stream:
        stream.write("\n")
    tuned(folder, file, more)
    assert len(linked) == 64 + 256


def test_a_killed_run_goes_on_where_it_was(folder, file, tmp_path, monkeypatch):
    expected = tuned(folder, file, options=["--predictions", str(tmp_path / "whole.jsonl")])
    monkeypatch.setattr(tune, "CHUNK", 8)
    linked, plain = [], Linker.score

    def score(self, texts, **how):
        if len(linked) == 16:
            linked.append("")
            raise KeyboardInterrupt
        linked.extend(texts)
        return plain(self, texts, **how)

    monkeypatch.setattr(Linker, "score", score)
    with pytest.raises(KeyboardInterrupt):
        tuned(folder, file)
    assert not (folder / "tune.jsonl").exists()
    decision = tuned(folder, file)
    assert decision.threshold == pytest.approx(expected.threshold, abs=1e-4)  # batches of 8 round otherwise
    assert decision.chosen["f1"] == expected.chosen["f1"]
    assert len(linked) == 32 + 1
    assert {path.name for path in folder.iterdir() if "tune" in path.name} == {"tune.jsonl", "tune.jsonl.json"}
    assert [q.id for q in read_predictions(folder / "tune.jsonl")[0]] == [q.id for q in read_questions(file)]


def test_a_dry_run_prints_and_leaves_the_folder(folder, file, capsys):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    tuned(folder, file, options=["--dry-run"])
    assert "chosen" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    decision = tuned(folder, file)
    assert decision.threshold != -4.0
    assert "-4.000" in capsys.readouterr().out  # the folder's own
    assert run("info", [str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"mentions of log p(mention) ≥ {decision.mention_threshold:.3f}" in said
    assert f"offset {decision.calibration[0]:.3f}, slope" in said
    assert "objective set_in_catalogue" in said


def test_another_k_than_the_folders_is_warned_of(folder, caplog):
    for k, warned in ((3, False), (2, True)):
        assert run("predict", ["who?", "--model", str(folder), "--candidates", str(k)]) == 0
        assert ("γ was chosen for K = 3 candidates" in caplog.text) == warned


def test_bad_input_leaves_everything_as_it_was(folder, file, tmp_path, capsys):
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    (tmp_path / "taken.jsonl").write_text("mine")
    (tmp_path / "metrics.json").write_text('{"f1": 0.5}')
    model, unknown = str(folder), write_lines(tmp_path / "u.jsonl", [{"text": "paris"}, {"text": "queen"}])
    for arguments, message in (
        (["--model", "owner/name", "--questions", str(file)], "--model owner/name is not a folder"),
        (["--model", model, "--questions", str(file), "none.jsonl"], "none.jsonl does not exist"),
        (["--model", model, "--questions", str(file), "--objective", "f1"], "--objective is 'f1', but must be one of"),
        (["--model", model, "--questions", str(file), "--seed", "-1"], "--seed is -1"),
        (
            ["--model", model, "--questions", str(file), "--predictions", str(tmp_path / "taken.jsonl")],
            "taken.jsonl already exists, and `elq tune` has not made it",
        ),
        (
            ["--model", model, "--questions", str(file), "--predictions", str(tmp_path / "metrics")],
            "metrics.json already exists, and `elq tune` has not made it",
        ),
        (
            ["--model", model, "--questions", str(unknown), "--predictions", str(tmp_path / "p.jsonl")],
            "set_in_catalogue F1 is 0 at every threshold",
        ),
    ):
        assert run("tune", arguments) == 2, arguments
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert said.startswith("elq: ")
        assert message in said
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before
    assert (tmp_path / "taken.jsonl").read_text() == "mine"
    assert (tmp_path / "metrics.json").read_text() == '{"f1": 0.5}'
    assert math.isclose(Linker.from_pretrained(folder).threshold, -4.0)
