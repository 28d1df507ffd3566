"""Reasons: what `explain` says agrees with what the linker does."""

import math
import re

import pytest
import torch

from elq import ElqError, Linker
from elq.commands import run
from elq.linking.calibration import Calibration
from elq.linking.decision import Decision
from elq.linking.explain import share, signed
from elq.training.export import export_folder
from tests.conftest import QUESTIONS, RECORDS
from tests.linking.test_given import oracle, random_model

TEXTS = [text for text, _, _ in QUESTIONS] + ["queen of paris, texas and the titanic"]


@pytest.fixture(params=[False, True], ids=["vectors", "names and NIL"])
def linker(request, encoder_folder, tokenizer, entities) -> Linker:
    model = random_model(encoder_folder, request.param)
    return Linker(model, tokenizer, entities, threshold=-1.5, candidates=4, calibration=Calibration(0.5, 0.7))


@pytest.mark.parametrize("least", [None, -0.8])
def test_what_is_said_to_be_shown_is_linked_and_each_way_to_show_it_works(least, linker):
    linker.mention_threshold, reasons = least, set()
    for text in TEXTS:
        links = {(link.start, link.end): link for link in linker.link(text)}
        explained = linker.explain(text).spans
        assert [one.link.score for one in explained] == sorted((one.link.score for one in explained), reverse=True)
        assert {(one.link.start, one.link.end) for one in explained if one.shown} == {
            place for place in links if place in {(one.link.start, one.link.end) for one in explained}
        }
        for one in explained:
            place = (one.link.start, one.link.end)
            reasons.add(one.reason.split(" ")[-1] if one.shown else " ".join(one.reason.split(" ")[1:4]))
            if one.shown:
                assert one.link.score == pytest.approx(links[place].score, abs=1e-4)
                assert one.link.probability == pytest.approx(links[place].probability, abs=1e-4)
                assert one.link.candidates[0].entity == links[place].entity
            elif lower := re.search(r"--threshold (\S+) shows it", one.reason):
                assert place in {(x.start, x.end) for x in linker.link(text, threshold=float(lower[1]))}
            elif better := re.search(r'overlaps "(.+)", which has a better score, −(\S+)', one.reason):
                wide = {x.mention: x.score for x in linker.link(text, threshold=-30.0)}
                assert wide[better[1]] == pytest.approx(-float(better[2]), abs=0.01)
                assert wide[better[1]] >= one.link.score
            else:
                assert one.link.mention_score < least
            assert one.reason in str(one)
    assert {"shown"} <= reasons
    assert any(reason.startswith("its score") for reason in reasons)
    assert any(reason.startswith("it overlaps") for reason in reasons)
    assert least is None or any(reason.startswith("its log") for reason in reasons)


def test_the_parts_names_and_nil_of_a_span_are_those_of_the_model(linker):
    names = set()
    for text in TEXTS:
        for one in linker.explain(text).spans:
            mention, best, log_nil = oracle(linker, text, one.link.start, one.link.end, 4)
            logit = torch.tensor(sum(one.parts.values()))
            assert float(torch.nn.functional.logsigmoid(logit)) == pytest.approx(mention, abs=1e-4)
            assert one.link.mention_score == pytest.approx(mention, abs=1e-4)
            assert [c.entity for c in one.link.candidates] == [entity for entity, _ in best]
            assert one.nil == (None if log_nil is None else pytest.approx(math.exp(log_nil), abs=1e-3))
            assert one.link.nil_score == (None if log_nil is None else pytest.approx(log_nil, abs=1e-3))
            said = [float(number) for number in re.findall(r" (\d?\.\d\d)\b", str(one).rpartition("p(entity | mention): ")[2])]
            assert sum(said) == pytest.approx(1, abs=0.03)  # each is rounded
            names.add((one.link.mention.lower(), one.name, one.names[:1]))
    if linker.dictionary is None:
        assert {name for _, name, _ in names} == {"unused"}
    else:
        assert ("titanic", "name", (("Q25173", "name"),)) in names
        assert {name for _, name, _ in names} >= {"name", "none"}


def test_an_entity_has_the_rank_and_score_of_the_slow_oracle(linker):
    said = set()
    for text in TEXTS[:6]:
        for record in RECORDS:
            about = linker.explain(text, record["id"]).entity
            start = text.index(about.mention)
            _, everyone, log_nil = oracle(linker, text, start, start + len(about.mention), len(RECORDS))
            assert about.rank == [entity for entity, _ in everyone].index(record["id"]) + 1
            _, [(_, score)], log_nil = oracle(linker, text, start, start + len(about.mention), 4, {record["id"]})
            assert about.score == pytest.approx(score, abs=5e-4)
            assert f"rank {about.rank} with p {share(math.exp(about.score))}" in about.reason
            if log_nil is not None:
                assert (f"NIL has {share(math.exp(log_nil))}" in about.reason) == (log_nil > score)
            said.add((about.named, about.rank == 1, "NIL has" in about.reason))
            assert about.named == ("no span of the question is its name" not in about.reason)
            assert str(about).startswith(f"{record['id']} {record['title']}: in ")
    assert {named for named, *_ in said} == {True, False}
    assert {first for _, first, _ in said} == {True, False}
    assert linker.dictionary is None or {nil for *_, nil in said} == {True, False}


def test_no_text_and_wrong_arguments(linker):
    for text in ("", " \t"):
        found = linker.explain(text, "Q90")
        assert (found.spans, found.entity) == ((), None)
        assert "no word that could be a mention" in str(found)
    for wrong in ("Q0", 5, "", ["Q90"]):
        with pytest.raises(ElqError, match="the catalogue has no entity with the id"):
            linker.explain("who", wrong)
    for wrong in (None, 5, ["who"]):
        with pytest.raises(ElqError, match="the text is .*, but must be a string: give one question"):
            linker.explain(wrong)


def test_the_command_prints_the_reasons(linker, entities_folder, tmp_path, capsys):
    decision = Decision(threshold=-1.5, mention_threshold=-6.0, candidates=4, calibration=(0.5, 0.7))
    folder = str(tmp_path / "m")
    export_folder(folder, linker.model, linker.tokenizer, linker.entities, entities_folder, decision)
    assert run("explain", [folder, TEXTS[0], "--entity", "Q44578"]) == 0
    said = capsys.readouterr().out
    assert said == f"{Linker.from_pretrained(folder).explain(TEXTS[0], 'Q44578')}\n"
    assert said.splitlines()[:2] == [TEXTS[0], "γ −1.50, mention threshold −6.00"]
    assert "Q44578 Titanic (1997 film): in " in said
    assert run("explain", [folder, TEXTS[0], "--entity", "nobody"]) == 2
    assert "no entity with the id 'nobody'" in capsys.readouterr().err
    assert (signed(-2.1), share(0.9)) == ("−2.10", ".90")


def test_the_general_model_says_what_a_span_is_in_the_catalogue(tmp_path, monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path))
    linker = Linker.from_catalogue([{"id": "1", "title": "Garden hose"}, {"id": "2", "title": "Watering can"}])
    for mention, name in [("garden hose", "name"), ("watering cann", "other spelling"), ("hose", "part of a name")]:
        spans = linker.explain(f"how much is the {mention}").spans
        assert (mention, name) in {(one.link.mention, one.name) for one in spans}
