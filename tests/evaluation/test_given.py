"""`elq evaluate --given`: the figures equal those of a slow count, for every object that links given mentions."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from elq import Candidate, Disambiguator, Link, Linker, Mention
from elq.commands import run
from elq.evaluation.given import KS, Choices, K, observe_given, rank_of
from elq.exchange.gold import GivenQuestion
from elq.names.baseline import FamousName
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from tests.conftest import write_lines


class Fixed:
    """Gives each mention candidates that its words name: "acb" has the candidates a, c and b."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, dict]] = []

    def link(self, texts, *, mentions, candidates, **more):
        self.asked.append((len(texts), more))
        return [
            [
                Link(s, e, text[s:e], text[s], "", "", 0.0, tuple(Candidate(one, "", 0.0) for one in text[s:e][:candidates]))
                for s, e in spans
            ]
            for text, spans in zip(texts, mentions, strict=True)
        ]


TEXTS = [("abc cab", ["a", "a"], "w"), ("bca ...", ["x", "y"], "w"), ("cba ab", ["b", None], "v"), ("abc", [None], "")]


def questions() -> list[GivenQuestion]:
    made = []
    for number, (text, golds, world) in enumerate(TEXTS):
        words, at, spans = text.split(), 0, []
        for word in words:
            at = text.index(word, at)
            spans.append((at, at + len(word)))
            at += len(word)
        mentions = tuple(Mention(*span, gold) for span, gold in zip(spans, golds, strict=True))
        made.append(GivenQuestion(str(number), text, mentions, given=tuple(spans), world=world))
    return made


def test_the_figures_are_those_of_a_slow_count():
    choices = observe_given(Fixed(), questions())
    assert choices.ranks == [[0, 1], [-1, -1], [1], []]  # "..." has no letter, so nobody can read it
    values = choices.values()
    ranks = [rank for of_text in choices.ranks for rank in of_text]
    assert values["given_accuracy"] == 1 / 5
    assert values["given_normalised_accuracy"] == 1 / 3
    assert values["given_accuracy_macro_texts"] == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert values["given_accuracy_macro"] == (1 / 4 + 0) / 2
    for k in KS:
        assert values[f"given_recall@{k}"] == sum(0 <= rank < k for rank in ranks) / len(ranks)
    assert (values["given_mentions"], values["given_texts"]) == (5, 3)
    assert values["given_ms_per_mention"] > 0
    assert choices.by_world() == {"v": 0, "w": 1 / 4}


def test_mean_rank_and_mean_reciprocal_rank_are_those_of_a_slow_count():
    ranks, candidates = [[0, 3], [], [-1], [6, 1, -1]], 8
    places, reciprocals = [], []
    for of_text in ranks:
        for rank in of_text:
            if rank == -1:  # not among the 8 candidates: its rank is 9 or more, and its reciprocal counts nothing
                places.append(9)
                reciprocals.append(0.0)
            else:
                places.append(rank + 1)
                reciprocals.append(1 / (rank + 1))
    choices = Choices(ranks, [""] * 4, 1.0, candidates)
    values = choices.values()
    assert values["given_mean_rank"] == pytest.approx(sum(places) / 6) == pytest.approx(32 / 6)
    assert values["given_mrr"] == pytest.approx(sum(reciprocals) / 6)
    low, high = choices.bounds()["given_mean_rank"]
    assert low < values["given_mean_rank"] < high


def test_an_entity_that_is_no_candidate_has_the_rank_behind_the_number_of_candidates_that_was_asked_for():
    values = observe_given(Fixed(), questions(), candidates=2).values()
    assert values["given_mean_rank"] == pytest.approx((1 + 2 + 3 + 3 + 2) / 5)
    assert {f"given_recall@{k}" for k in (1, 3, 5, 10)} <= values.keys()
    assert observe_given(Fixed(), questions()).candidates == K


def test_candidates_beyond_k_are_not_seen_and_the_chosen_one_counts_without_candidates():
    assert observe_given(Fixed(), questions(), candidates=1).ranks == [[0, -1], [-1, -1], [-1], []]
    assert rank_of(Link(0, 1, "a", "A", "", "", 0.0), "A") == 0
    assert rank_of(Link(0, 1, "a", "NIL", "", "", 0.0, (Candidate("A", "", 0.0),)), "A") == 1
    assert rank_of(None, "A") == -1


def test_a_world_that_is_a_type_restricts_the_candidates():
    fixed = Fixed()
    observe_given(fixed, questions(), types={"w", "v"})
    assert fixed.asked == [(2, {"types": "w"}), (1, {"types": "v"})]


def test_the_intervals_contain_the_values_and_those_of_worlds_are_a_bootstrap():
    many = [one for one in questions() for _ in range(10)]
    choices = observe_given(Fixed(), many)
    values, bounds = choices.values(), choices.bounds()
    assert all(low <= values[name] <= high for name, (low, high) in bounds.items())
    assert bounds.keys() >= {"given_accuracy", "given_accuracy_macro", "given_recall@4"}
    generator, means = np.random.default_rng(5), []
    for _ in range(2000):
        drawn = [choices.ranks[i] + [choices.worlds[i]] for i in generator.integers(len(many), size=len(many))]
        of = {w: [r for *ranks, world in drawn if world == w for r in ranks] for w in ("w", "v")}
        means.append(np.mean([sum(r == 0 for r in ranks) / len(ranks) for ranks in of.values() if ranks]))
    assert bounds["given_accuracy_macro"] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)


def test_nothing_to_measure_is_no_error():
    choices = observe_given(Fixed(), questions()[3:])
    assert choices.bounds() == {}
    assert choices.values()["given_mentions"] == 0
    assert math.isnan(choices.milliseconds)
    assert "given_ms_per_mention" not in choices.values()


def test_the_dictionary_gives_the_most_famous_bearer_of_the_whole_name_first(entities):
    baseline = FamousName(Dictionary(entities.catalogue))
    [[link, none]] = baseline.link(["Paris and xyz"], mentions=[[(0, 5), (10, 13)]], candidates=9)
    assert (link.entity, link.candidates[0].entity) == ("Q90", "Q90")
    assert "Q830149" in [one.entity for one in link.candidates[1:]]
    assert (none.entity, none.candidates) == ("", ())
    [[city]] = baseline.link(["Paris"], mentions=[[(0, 5)]], candidates=1, types="city")
    assert [one.entity for one in city.candidates] == ["Q830149"]


def test_the_command_agrees_with_the_linker(tmp_path, question_file, capsys):
    model = str(Path(__file__).parents[1] / "data" / "format4" / "model")
    arguments = ["--given", "--questions", str(question_file), "--model", model, "--output", str(tmp_path / "m.json")]
    assert run("evaluate", [*arguments, "--baseline", "dictionary", "--candidates", "3"]) == 0
    written, said = json.loads((tmp_path / "m.json").read_text()), capsys.readouterr().out
    assert "accuracy: the entity is the first candidate" in said
    assert "mean over texts" not in said
    linker, hits, total = Linker.from_pretrained(model), 0, 0
    for record in map(json.loads, question_file.read_text().splitlines()):
        for mention in record["mentions"]:
            if mention["entity"] is not None and linker.entities.catalogue.rows([mention["entity"]])[0] >= 0:
                found = linker.candidates_of(record["text"], mention["start"], mention["end"], k=3)
                hits, total = hits + (found[0].entity == mention["entity"]), total + 1
    assert written["model"]["given_accuracy"] == hits / total
    assert written["model"]["given_mentions"] == total
    assert written["candidates"] == 3
    assert written["dictionary"]["given_accuracy"] > 0.5
    assert len(written["intervals"]["model"]["given_accuracy"]) == 2
    assert run("evaluate", [*arguments, "--all"]) == 0
    assert "accuracy, mean over texts" in capsys.readouterr().out


def test_worlds_of_the_catalogue_restrict_the_linker(tmp_path):
    records = [{"context_left": "", "mention": "washington", "context_right": "", "label_id": "Q61", "world": "capital"}]
    model = str(Path(__file__).parents[1] / "data" / "format4" / "model")
    arguments = ["--given", "--questions", str(write_lines(tmp_path / "b.jsonl", records)), "--model", model]
    assert run("evaluate", [*arguments, "--output", str(tmp_path / "m.json")]) == 0
    written = json.loads((tmp_path / "m.json").read_text())
    assert written["within_worlds"] is True
    assert written["worlds"]["model"] == {"capital": 1.0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--given", "--threshold", "-2"], "--threshold is given, but has no meaning for given mentions"),
        (["--given", "--report", "r.html"], "--report is given, but has no meaning for given mentions"),
        (["--document"], "--document is given, but only --given uses it"),
        (["--candidates", "4"], "--candidates is given, but only --given uses it"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said, question_file, capsys):
    assert run("evaluate", ["--questions", str(question_file), *options]) == 2
    assert said in capsys.readouterr().err


def test_mentions_of_a_text_help_each_other_on_request(tmp_path):
    model = str(Path(__file__).parents[1] / "data" / "format4" / "model")
    text = "George Washington was born in Virginia. Washington died there."
    mentions = [{"start": 0, "end": 17, "entity": "Q23"}, {"start": 40, "end": 50, "entity": "Q23"}]
    file, written = write_lines(tmp_path / "q.jsonl", [{"text": text, "mentions": mentions}]), []
    for options in ([], ["--document"]):
        output, lines = tmp_path / f"{len(options)}.json", tmp_path / f"{len(options)}.jsonl"
        assert run("evaluate", ["--given", "--questions", str(file), "--model", model, "--output", str(output), *options]) == 0
        written.append(json.loads(output.read_text()))
        assert run("predict", ["--input", str(file), "--model", model, "--output", str(lines), *options]) == 0
    assert [one["document"] for one in written] == [False, True]
    linker = Linker.from_pretrained(model)
    spans = [(one["start"], one["end"]) for one in mentions]
    for measured, document in zip(written, (False, True), strict=True):
        links = linker.link(text, mentions=spans, candidates=128, document=document)
        assert measured["model"]["given_accuracy"] == sum(link.entity == "Q23" for link in links) / 2
    assert written[1]["model"]["given_accuracy"] == 1.0
    found = json.loads((tmp_path / "1.jsonl").read_text())["links"]
    assert [one["entity"] for one in found] == [one.entity for one in linker.link(text, document=True)]


@pytest.fixture(scope="module")
def bi_encoder(encoder_folder, entities_folder, tmp_path_factory) -> Path:
    from elq.disambiguation.ranking import Ranking
    from elq.model.biencoder import BiEncoder

    folder = tmp_path_factory.mktemp("bi") / "model"
    network, texts = BiEncoder.from_encoder(encoder_folder, entity_tower="frozen")
    network.save_pretrained(folder, texts)
    shutil.copytree(entities_folder, folder / "entities")
    Ranking(prior=()).save(folder)
    return folder


def test_a_bi_encoder_is_measured_too(bi_encoder, question_file, tmp_path, capsys):
    arguments = ["--given", "--questions", str(question_file), "--model", str(bi_encoder), "--candidates", "3"]
    assert run("evaluate", [*arguments, "--baseline", "dictionary", "--output", str(tmp_path / "m.json")]) == 0
    written, disambiguator = json.loads((tmp_path / "m.json").read_text()), Disambiguator.from_pretrained(bi_encoder)
    gold = [(q.text, m) for q in read_questions(question_file) for m in q.mentions if m.entity is not None]
    found = [disambiguator.link([text], [[(m.start, m.end)]], candidates=3)[0][0] for text, m in gold]
    hits = [link.entity == m.entity for link, (_, m) in zip(found, gold, strict=True)]
    known = [m.entity in [one.entity for one in link.candidates] for link, (_, m) in zip(found, gold, strict=True)]
    assert written["model"]["given_accuracy"] == sum(hits) / len(hits)
    assert written["model"]["given_normalised_accuracy"] == sum(hits) / sum(known)
    assert run("evaluate", [*arguments, "--backend", "onnx"]) == 2
    assert "--backend is given, but" in capsys.readouterr().err
    assert run("evaluate", [*arguments, "--type-score-weight", "0.5"]) == 2
    assert "--type-score-weight is given, but" in capsys.readouterr().err
    assert run("evaluate", [*arguments, "--rerank", str(tmp_path / "nowhere")]) == 2  # so it is opened
    assert "nowhere is not a folder" in capsys.readouterr().err
