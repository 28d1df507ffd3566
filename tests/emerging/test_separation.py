"""Which score tells mentions without an entity from mentions with one: thresholds, AUROC, and the command."""

import itertools
import json
import math

import numpy as np
import pytest
import torch

from elq.commands import run
from elq.emerging.lda import Topics, TopicSettings
from elq.emerging.separation import GivenScores, best_threshold, given_scores, in_first_half, separate
from elq.errors import ElqError
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.questions.annotated import read_questions
from elq.types import Mention, Question
from tests.conftest import QUESTIONS, write_lines


def slow_f1(scores, without, threshold) -> float:
    right = sum(s >= threshold and w for s, w in zip(scores, without, strict=True))
    found = sum(s >= threshold for s in scores)
    return 2 * right / (found + sum(without))


def slow_auroc(scores, without) -> float:
    pairs = [(a, b) for a, x in zip(scores, without, strict=True) if x for b, y in zip(scores, without, strict=True) if not y]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def test_the_threshold_has_the_best_f1_of_all():
    random = np.random.default_rng(0)
    for _ in range(40):
        scores, without = random.integers(0, 6, 12) / 2, random.random(12) < 0.4
        without[0] = True
        found = best_threshold(scores, without)
        tried = [*(scores - 0.25), *(scores + 0.25), *scores]
        assert slow_f1(scores, without, found) == pytest.approx(max(slow_f1(scores, without, each) for each in tried))


def test_the_threshold_is_a_score_where_the_middle_is_no_number():
    assert best_threshold(np.array([math.inf, 1.0]), np.array([True, False])) == math.inf
    assert best_threshold(np.array([2.0, 2.0]), np.array([True, False])) == 2.0


def random_scores(mentions: int = 60) -> GivenScores:
    random = np.random.default_rng(1)
    without, first = random.random(mentions) < 0.3, random.random(mentions) < 0.5
    ways = {"nil": random.normal(size=mentions) + without, "lda": random.integers(0, 3, mentions).astype(float)}
    return GivenScores(ways, without, first)


def test_figures_are_those_of_the_second_half_at_the_threshold_of_the_first():
    given = random_scores()
    found = separate(given)
    assert [*found] == ["nil", "lda"]
    for way, scores in given.scores.items():
        one, second = found[way], ~given.first
        assert one.threshold == best_threshold(scores[given.first], given.without[given.first])
        assert one.auroc == pytest.approx(slow_auroc(scores[second], given.without[second]))
        assert one.f1 == pytest.approx(slow_f1(scores[second], given.without[second], one.threshold))
        right = sum((scores >= one.threshold) & given.without & second)
        assert one.precision == pytest.approx(right / sum((scores >= one.threshold) & second))
        assert one.recall == pytest.approx(right / sum(given.without & second))
        assert (one.mentions, one.without) == (second.sum(), (given.without & second).sum())


def test_a_half_with_one_kind_of_mention_is_refused():
    given = random_scores()
    with pytest.raises(ElqError, match="the second half of the questions has 0 mentions without an entity"):
        separate(GivenScores(given.scores, given.without & given.first, given.first))
    with pytest.raises(ElqError, match=r"the first half .* and 0 with one"):
        separate(GivenScores(given.scores, given.without | given.first, given.first))


@pytest.fixture(scope="module")
def linker(encoder_folder, tokenizer, entities) -> Linker:
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, nil=True).eval()
    with torch.no_grad():
        model.nil.linear.weight.normal_()
    return Linker(model, tokenizer, entities, threshold=-4.0, candidates=3)


def test_scores_of_given_mentions_are_those_of_their_links(linker, question_file):
    questions = [*read_questions(question_file), Question("mark", "who ?", (Mention(4, 5, None),))]
    topics = Topics.of_catalogue(linker.entities.catalogue, TopicSettings(topics=2))
    given = given_scores(linker, questions, topics)
    assert [*given.scores] == ["nil", "lda", "link", "entity"]
    assert given.without.tolist() == [entity is None for _, _, entity in QUESTIONS]  # the mark "?" is left out
    assert given.first.tolist() == [in_first_half(f"q{number}") for number in range(len(QUESTIONS))]
    for number, (text, name, _) in enumerate(QUESTIONS):
        [link] = linker.link(text, mentions=[(text.index(name), text.index(name) + len(name))])
        scores = {way: values[number] for way, values in given.scores.items()}
        assert scores["nil"] == pytest.approx(link.nil_score, abs=1e-4)
        assert scores["link"] == pytest.approx(-link.score, abs=1e-4)
        assert scores["entity"] == pytest.approx(-link.candidates[0].score, abs=1e-4)
        known = linker.entities.catalogue.by_id(one.entity for one in link.candidates)
        assert scores["lda"] == pytest.approx(topics.distances([text], [[*known.values()]])[0])


def test_a_model_without_nil_has_the_other_ways(encoder_folder, tokenizer, entities, question_file):
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval()
    plain = Linker(model, tokenizer, entities, threshold=-4.0, candidates=3)
    assert [*given_scores(plain, read_questions(question_file)).scores] == ["link", "entity"]


def halves(tmp_path):
    """Questions of which both halves have mentions with and without an entity."""
    texts = [("what is paris", 8, "Q90"), ("what is xyz", 8, None), ("who is titanic", 7, "Q25173"), ("who is abc", 7, None)]
    identities = [*itertools.islice(filter(in_first_half, map(str, itertools.count())), 2)]
    identities += itertools.islice((one for one in map(str, itertools.count()) if not in_first_half(one)), 2)
    records = [
        {"id": identities[place], "text": text, "mentions": [{"start": start, "end": len(text), "entity": entity}]}
        for place, (text, start, entity) in enumerate(texts)
    ]
    return write_lines(tmp_path / "halves.jsonl", records)


def test_the_command_prints_and_writes_the_comparison(tmp_path, capsys):
    questions, output = halves(tmp_path), tmp_path / "found.json"
    assert run("evaluate", ["--questions", str(questions), "--nil", "lda", "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "LDA: least KL(context ‖ candidate)" in said
    assert "1 of 2 given mentions have no entity" in said
    ways = json.loads(output.read_text())["nil_ways"]
    assert [*ways] == ["nil", "lda", "link", "entity"]
    assert set(ways["lda"]) == {"auroc", "threshold", "precision", "recall", "f1", "mentions", "without"}
    records = [json.loads(line) for line in questions.read_text().splitlines()]
    output.unlink()
    few = write_lines(questions, records[:2])
    assert run("evaluate", ["--questions", str(few), "--nil", "lda", "--output", str(output)]) == 2
    assert "nil_ways" not in json.loads(output.read_text())  # what was measured before is not lost
    assert "the second half of the questions has 0 mentions" in capsys.readouterr().err
