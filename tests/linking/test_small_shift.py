"""A shift of small letters changes the mention scores of words without capitals, where capitals tell names, and no others."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from elq import Linker
from elq.commands import run
from elq.evaluation import balance as balances
from elq.evaluation.evaluate import evaluate, known_questions
from elq.linking.balance import AS_LEARNED, Balance
from elq.linking.decision import Decision
from elq.questions.annotated import read_questions
from elq.tensors import Spans
from tests.evaluation.test_balance import DEV
from tests.linking.test_old_folders import MODEL

FLOOR, SHIFT = -12.0, -1.5
TEXTS = {  # the words without capitals and those with; empty: the text says nothing about its words
    "who directed Titanic in paris?": ({"who", "directed", "in", "paris?"}, {"Titanic"}),
    "Is jazz older than Chicago, or baseball": ({"jazz", "older", "than", "or", "baseball"}, {"Chicago,"}),
    "who directed titanic in paris?": (set(), set()),
    "Who Directed Titanic In Paris?": (set(), set()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model folder that knows capitals, whose learned scores for them are 0."""
    made = shutil.copytree(MODEL, tmp_path_factory.mktemp("capitals") / "model")
    linker = Linker.from_pretrained(made)
    model = linker.model
    model.config = replace(model.config, capitals=True)
    model.scorer.capitals = torch.nn.Parameter(torch.zeros(2, 3))
    model.save_pretrained(made, linker.scorer.tokenizer)
    return made


def opened(folder: Path, shift: float) -> Linker:
    replace(Decision.load(folder), small_shift=shift).save(folder)
    return Linker.from_pretrained(folder)


def is_small(text: str, start: int, end: int) -> bool:
    small, capital = TEXTS[text]
    place, touched = 0, set()
    for word in text.split():
        first = text.index(word, place)
        place = first + len(word)
        if first < end and start < place:
            touched.add(word)
    return bool(touched & small) and not touched & capital


def moved(score: float, shift: float) -> float:
    """log p(mention) after a number is added to its logit."""
    odds = score - math.log(-math.expm1(score)) + shift
    return -math.log1p(math.exp(-odds))


def test_words_without_capitals_have_a_lower_mention_score(folder):
    plain, linker = opened(folder, 0.0), opened(folder, SHIFT)
    assert linker.balance == Balance(small_shift=SHIFT)
    assert linker.further() == [("small_shift", SHIFT)]
    seen = dict.fromkeys((False, True), 0)
    texts = [*TEXTS]
    before, after = (
        [{(x.start, x.end): x for x in links} for links in one.score(texts, threshold=FLOOR).links(FLOOR, overlaps=True)]
        for one in (plain, linker)
    )
    for text, own, found in zip(texts, before, after, strict=True):
        for place in own.keys() & found.keys():
            small = is_small(text, *place)
            seen[small] += 1
            expected = moved(own[place].mention_score, SHIFT) if small else own[place].mention_score
            assert found[place].mention_score == pytest.approx(expected, abs=1e-3), (text, text[slice(*place)])
            assert found[place].score - own[place].score == pytest.approx(expected - own[place].mention_score, abs=1e-3)
    assert min(seen.values()) > 10, seen


def test_given_mentions_and_explanations_have_the_same_score(folder):
    linker, text = opened(folder, SHIFT), "who directed Titanic in paris?"
    found = linker.score([text], threshold=FLOOR).links(FLOOR, overlaps=True)[0]
    assert {is_small(text, x.start, x.end) for x in found} == {False, True}
    given = linker.link([text], mentions=[[(x.start, x.end) for x in found]])[0]
    assert [x.mention_score for x in given] == pytest.approx([x.mention_score for x in found], abs=1e-4)
    for each in linker.explain(text).spans:
        assert each.link.mention_score == pytest.approx(-math.log1p(math.exp(-sum(each.parts.values()))), abs=1e-4)
        assert each.parts["small letters"] == (SHIFT if is_small(text, each.link.start, each.link.end) else 0.0)
    plain = opened(folder, 0.0).explain(text)
    assert all("small letters" not in each.parts for each in plain.spans)


def test_capitals_of_the_turns_before_a_question_do_not_count(folder):
    linker, text, context = opened(folder, SHIFT), "who directed titanic in paris?", ["We saw Titanic in Rome with old friends"]
    found = linker.link(text, context=context, threshold=FLOOR)
    given = linker.link(text, context=context, mentions=[(x.start, x.end) for x in found])
    assert found
    assert [x.mention_score for x in given] == pytest.approx([x.mention_score for x in found], abs=1e-4)


def test_spans_of_any_length_are_those_of_the_grid():
    balance, draws = Balance(small_shift=SHIFT), torch.Generator().manual_seed(0)
    capitals = torch.randint(0, 3, (5, 9), generator=draws)
    grid = balance.of_mentions(torch.zeros(5, 9, 9), capitals)
    places = [(b, start, end) for b in range(5) for start in range(9) for end in range(start + 1, 10)]
    spans = Spans(*torch.tensor(places).unbind(-1))
    added = balance.of_spans(spans, capitals)
    assert added.tolist() == [grid[b, start, end - start - 1].item() for b, start, end in places]
    assert {*added.tolist()} == {0.0, SHIFT}
    assert not balance.of_spans(spans, None).any()


def test_an_explanation_looks_at_the_spans_that_are_searched(folder):
    text, seen = "who directed Titanic in paris?", {}
    for shift in (0.0, -15.0):
        linker = opened(folder, shift)
        linker.scorer.max_mentions = 2
        searched = linker.score([text], threshold=FLOOR - 15).links(FLOOR - 15, overlaps=True)[0]
        explained = {(each.link.start, each.link.end) for each in linker.explain(text).spans}
        assert explained == {(x.start, x.end) for x in searched}
        seen[shift] = {is_small(text, *place) for place in explained}
    assert seen == {0.0: {True, False}, -15.0: {False}}


def test_the_default_changes_not_a_bit(folder):
    opened(folder, 0.0)
    assert "small_shift" not in (folder / "decision.json").read_text()
    logits = torch.zeros(1, 2, 3)
    assert AS_LEARNED.of_mentions(logits, torch.ones(1, 2, dtype=torch.int64)) is logits
    assert Balance(small_shift=SHIFT).of_mentions(logits, None) is logits  # a model without capitals


def test_tune_keeps_the_shift_and_chooses_with_it(folder, tmp_path, monkeypatch):
    lines = [json.loads(line) for line in DEV.read_text(encoding="utf-8").splitlines()[:40]]
    for line in lines:  # every second mention has capitals, and another word of the text has some
        line["text"] = line["text"].lower() + " in the U.S."
        for mention in line["mentions"][::2]:
            start, end = mention["start"], mention["end"]
            line["text"] = line["text"][:start] + line["text"][start:end].title() + line["text"][end:]
    file = tmp_path / "dev.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    opened(folder, -15.0)
    chosen = Balance(nil_shift=1.0)
    monkeypatch.setattr(balances, "choose_balance", lambda *a, **b: balances.BalanceChoice(chosen, 0.0, 0.0, chosen))
    assert run("tune", ["--model", str(folder), "--questions", str(file), "--balance"]) == 0
    decision, linker = Decision.load(folder), Linker.from_pretrained(folder)
    assert decision.balance == linker.balance == Balance(nil_shift=1.0, small_shift=-15.0)
    questions = known_questions(read_questions(file), linker.entities.catalogue)
    assert evaluate(linker, questions)["set_in_catalogue_micro_f1"] == pytest.approx(decision.chosen["f1"], abs=1e-9)
    replace(decision, small_shift=0.0).save(folder)
    other = evaluate(Linker.from_pretrained(folder), questions)["set_in_catalogue_micro_f1"]
    assert other != pytest.approx(decision.chosen["f1"], abs=1e-9)
