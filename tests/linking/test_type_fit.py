"""Types in the score of candidates: the formula, the linker and the commands, against slow oracles."""

import json
import math
import pickle
from collections.abc import Iterator

import pytest
import torch

from elq import ElqError, Linker
from elq.commands import predict, run
from elq.entities.build import BuildSettings, build_entities
from elq.entities.catalogue import Catalogue
from elq.entities.edit import add_entities, update_entities
from elq.entities.hierarchy import Hierarchy, RowTypes
from elq.entities.manifest import open_entities
from elq.evaluation.type_accuracy import type_probabilities
from elq.linking.calibration import Calibration
from elq.linking.decision import Decision
from elq.linking.rerank import Reranker
from elq.linking.type_fit import TypesInScore, type_fit, with_types
from elq.model.network import ELQ
from elq.serving.catalogues import catalogues_of, open_all
from elq.serving.settings import read_settings
from elq.training.export import export_folder
from tests.conftest import QUESTIONS, RECORDS, write_lines
from tests.linking.test_rerank import STAGE, cross_folder, oracle_candidates

TEXTS = [text for text, _, _ in QUESTIONS] + ["queen of paris, texas and the titanic"]
SPANS = [[(text.index(name), text.index(name) + len(name))] for text, name, _ in QUESTIONS]
TYPES = {
    "Q90": ["city", "capital"],
    "Q830149": ["city", "town"],  # the model does not know towns
    "Q44578": ["film"],
    "Q25173": ["ship"],
    "Q15862": ["band"],
    "Q1471": ["river"],  # nor rivers
}
HIERARCHY = Hierarchy(("city", "film", "ship", "band", "capital"), (-1, -1, -1, -1, 0))
WEIGHT, K = 3.0, 4


def typed_model(encoder_folder, *, types: str = "goedel") -> ELQ:
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, scale=4.0, names=True, nil=True, types=types).eval()
    with torch.no_grad():
        model.name_bonus.weight.copy_(torch.linspace(0.0, 0.3, len(model.name_bonus.weight)))
        model.nil.value.fill_(0.1)
    if types != "none":
        model.add_types(HIERARCHY)
        torch.nn.init.normal_(model.types.linear.weight, std=0.3)
        torch.nn.init.zeros_(model.types.linear.bias)
    return model


@pytest.fixture(scope="module")
def built(encoder_folder, tmp_path_factory):
    """An entities folder whose entities have types."""
    folder = tmp_path_factory.mktemp("types_in_score")
    file = write_lines(folder / "catalogue.jsonl", [{**one, "types": TYPES.get(one["id"], [])} for one in RECORDS])
    build_entities(file, folder / "entities", BuildSettings(encoder=str(encoder_folder), precision="fp32"))
    return folder / "entities"


@pytest.fixture(scope="module")
def network(encoder_folder) -> ELQ:
    return typed_model(encoder_folder)


@pytest.fixture(scope="module")
def typed_entities(built):
    return open_entities(built)


@pytest.fixture(params=["candidates", "table"])
def linkers(request, network, tokenizer, typed_entities) -> tuple[Linker, Linker]:
    """The same linker with and without types in the score."""
    how = {"threshold": -9.0, "candidates": K, "score_mode": request.param, "calibration": Calibration(0.5, 0.7)}
    return tuple(Linker(network, tokenizer, typed_entities, type_score_weight=w, **how) for w in (WEIGHT, 0.0))


@pytest.fixture
def folder(network, tokenizer, typed_entities, built, tmp_path):
    """A model folder of its own."""
    decision = Decision(threshold=-9.0, candidates=K, score_mode="table", calibration=(0.5, 0.7))
    export_folder(tmp_path / "m", network, tokenizer, typed_entities, built, decision)
    return tmp_path / "m"


def oracle(plain: Linker, text: str, start: int, end: int, *, weight: float = WEIGHT, more: int = K) -> list[tuple[str, float]]:
    """(id, log p) of the candidates of one mention with types in the score, best first."""
    found = plain.candidates_of(text, start, end, more)
    p = dict(zip(HIERARCHY.names, type_probabilities(plain.scorer, [text], [(start, end)])[0].tolist(), strict=True))
    new = {}
    for candidate in found[:K]:
        [record] = plain.entities.catalogue.by_id([candidate.entity]).values()
        own = [p[name] for name in record.types if name in p]
        fit = 2 * sum(own) / len(own) - 1 if own else 0.0
        new[candidate.entity] = math.exp(candidate.score) * math.exp(weight * fit)
    mass = sum(math.exp(candidate.score) for candidate in found[:K]) / sum(new.values())
    divided = [(entity, math.log(mass * value)) for entity, value in new.items()]
    return sorted([*divided, *((one.entity, one.score) for one in found[K:])], key=lambda one: -one[1])


def agrees(candidates, expected: list[tuple[str, float]]) -> bool:
    return [c.entity for c in candidates] == [entity for entity, _ in expected] and [c.score for c in candidates] == (
        pytest.approx([score for _, score in expected], abs=1e-3)
    )


def sized(p: torch.Tensor, rows: torch.Tensor, types: list[list[int]]) -> Iterator[float]:
    """The oracle of type_fit."""
    for q, of_mention in enumerate(rows.tolist()):
        for row in of_mention:
            own = [float(p[q, place]) for place in types[row]] if row >= 0 else []
            yield 2 * sum(own) / len(own) - 1 if own else 0.0


def test_the_fit_is_that_of_the_candidates_own_types():
    torch.manual_seed(0)
    types = [[0, 2], [], [1], [3, 0, 1], [2]]
    p, rows = torch.rand(6, 5), torch.randint(-1, 5, (6, 4))
    names = tuple("abcde")
    of_rows = RowTypes([[names[place] for place in of_row] for of_row in types], Hierarchy(names, (-1,) * 5))
    assert type_fit(p, rows, of_rows).flatten().tolist() == pytest.approx([*sized(p, rows, types)], abs=1e-6)
    assert type_fit(p[:0], rows[:0], of_rows).shape == (0, 4)
    pairs = of_rows.pairs(rows.flatten().numpy())
    assert list(zip(*(part.tolist() for part in pairs), strict=True)) == [
        (number, place) for number, row in enumerate(rows.flatten().tolist()) if row >= 0 for place in types[row]
    ]


def test_the_first_candidates_share_what_they_had_and_the_others_keep_theirs():
    torch.manual_seed(0)
    types = RowTypes([["a"], ["b"], [], ["a", "b"], ["b"]], Hierarchy(("a", "b"), (-1, -1)))
    rows = torch.tensor([[0, 1, 2, 3], [4, 3, -1, -1], [2, -1, -1, -1], [-1, -1, -1, -1]])
    log_probs = (0.8 * torch.rand(4, 4).softmax(-1)).log().masked_fill(rows < 0, -torch.inf)
    found = with_types(rows, log_probs, torch.rand(4, 2), types, TypesInScore(2.0, 3))
    torch.testing.assert_close(found[:, :3].exp().sum(-1), log_probs[:, :3].exp().sum(-1))
    assert (found[:2, :2] != log_probs[:2, :2]).all()
    assert found[0, 3] == log_probs[0, 3]  # behind the first three
    assert torch.equal(found[2:], log_probs[2:])  # one candidate, and none
    assert (found[rows < 0] == -torch.inf).all()


def test_links_have_the_candidates_of_the_oracle(linkers):
    typed, plain = linkers
    changed = checked = 0
    texts = [TEXTS[0], TEXTS[2], TEXTS[-1]]
    for text, links in zip(texts, typed.link(texts), strict=True):
        for link in links:
            expected = oracle(plain, text, link.start, link.end)
            before = {c.entity: c.score for c in plain.candidates_of(text, link.start, link.end, K)}
            assert agrees(link.candidates, expected)
            assert link.score == pytest.approx(link.mention_score + expected[0][1], abs=1e-3)
            changed += link.entity != max(expected, key=lambda one: before[one[0]])[0]
            checked += 1
    assert checked > 5
    assert changed > 0


def test_given_mentions_and_scores_that_are_decoded_later_are_the_same_and_nil_keeps_its_probability(linkers):
    typed, plain = linkers
    texts = TEXTS[: len(SPANS)]
    every = typed.score(texts, threshold=-50.0).links(-50.0, overlaps=True)
    given = zip(texts, SPANS, typed.link(texts, mentions=SPANS), plain.link(texts, mentions=SPANS), every, strict=True)
    for text, [span], [link], [before], found in given:
        assert agrees(link.candidates, oracle(plain, text, *span))
        assert (link.nil_score, link.mention_score, link.type_scores) == (
            *(before.nil_score, before.mention_score, before.type_scores),
        )
        [same] = [one for one in found if (one.start, one.end) == span] or [link]  # a mention of more tokens than a span has
        assert same.score == pytest.approx(link.score, abs=1e-4)
        assert same.entity == link.entity


def test_a_restriction_and_an_explanation_change_no_score(linkers):
    typed, plain = linkers
    text, span = "who directed titanic?", (13, 20)
    scores = dict(oracle(plain, text, *span))
    for allowed in (["Q25173"], ["Q44578"], ["Q44578", "Q90", "Q116"]):
        found = typed.candidates_of(text, *span, k=K, ids=allowed)
        assert [one.entity for one in found] == sorted(
            (one.entity for one in found), key=lambda entity: -next(c.score for c in found if c.entity == entity)
        )
        assert [one.score for one in found if one.entity in scores] == pytest.approx(
            [scores[one.entity] for one in found if one.entity in scores], abs=1e-3
        )
    for entity in ("Q25173", "Q44578"):
        about, spans = (explained := typed.explain(text, entity)).entity, {}
        for link in (one.link for one in explained.spans):
            spans[link.mention] = oracle(plain, text, link.start, link.end)
            assert agrees(link.candidates, spans[link.mention])
        order = [one for one, _ in spans[about.mention]]
        assert about.score == pytest.approx(dict(spans[about.mention])[entity], abs=1e-3)
        assert about.rank == order.index(entity) + 1


def test_fewer_and_more_candidates_change_no_score_over_the_table(network, tokenizer, typed_entities):
    how = {"threshold": -9.0, "candidates": K, "score_mode": "table"}
    typed, plain = (Linker(network, tokenizer, typed_entities, type_score_weight=w, **how) for w in (WEIGHT, 0.0))
    for text, [span] in zip(TEXTS[:3], SPANS, strict=False):
        for k in (1, 6):
            assert agrees(typed.candidates_of(text, *span, k), oracle(plain, text, *span, more=max(k, K))[:k])
        one, several = typed.link(text, candidates=1), typed.link(text)
        assert [(link.entity, link.score) for link in one] == [(link.entity, link.score) for link in several]


def test_without_a_weight_every_bit_stays(encoder_folder, network, linkers, tokenizer, typed_entities, monkeypatch):
    _, plain = linkers
    how = {"threshold": -9.0, "candidates": K, "score_mode": plain.score_mode, "calibration": plain.calibration}
    untyped = Linker(typed_model(encoder_folder, types="none"), tokenizer, typed_entities, **how).link(TEXTS)
    monkeypatch.setattr(Catalogue, "all_types", lambda _: pytest.fail("the types of the catalogue are read"))
    links = plain.link(TEXTS)
    assert links == Linker(network, tokenizer, typed_entities, **how).link(TEXTS)
    bits = [[(x.start, x.end, x.candidates, x.score, x.nil_score) for x in of_text] for of_text in links]
    assert bits == [[(x.start, x.end, x.candidates, x.score, x.nil_score) for x in of_text] for of_text in untyped]
    assert any(bits)


def test_a_re_ranker_works_on_what_types_gave(linkers, encoder_folder, network, tokenizer, typed_entities, tmp_path):
    typed, plain = linkers
    reranker = Reranker.from_pretrained(cross_folder(encoder_folder, tmp_path / "cross", STAGE))
    how = {"threshold": -9.0, "candidates": K, "score_mode": typed.score_mode, "reranker": reranker}
    both = Linker(network, tokenizer, typed_entities, type_score_weight=WEIGHT, **how)
    alone = Linker(network, tokenizer, typed_entities, **how)
    texts = TEXTS[: len(SPANS)]
    found, without = both.link(texts, mentions=SPANS), alone.link(texts, mentions=SPANS)
    for text, [span], [link] in zip(texts, SPANS, found, strict=True):
        assert agrees(link.candidates, oracle_candidates(typed, reranker, text, *span))
    assert [[c.score for c in link.candidates] for [link] in found] != [[c.score for c in x.candidates] for [x] in without]
    assert both.type_score_weight == WEIGHT != alone.type_score_weight == plain.type_score_weight


def test_pickled_linkers_keep_the_weight_and_types_are_read_once(folder, monkeypatch):
    read = []
    whole = Catalogue.all_types
    monkeypatch.setattr(Catalogue, "all_types", lambda self: read.append(self) or whole(self))
    linker = Linker.from_pretrained(folder, type_score_weight=WEIGHT)
    assert read == []
    links = linker.link(TEXTS)
    linker.link(TEXTS)
    assert len(read) == 1
    assert links != Linker.from_pretrained(folder).link(TEXTS)
    data = pickle.dumps(linker)
    for _ in range(3):
        again = pickle.loads(data)
        assert again.type_score_weight == WEIGHT
        assert again.link(TEXTS) == links
    assert len(read) == 2  # the linkers of a pickle share a catalogue


def test_changed_and_other_catalogues_have_their_own_types(folder, encoder_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    linker = Linker.from_pretrained(folder, type_score_weight=WEIGHT)
    before = linker.link(TEXTS)
    more = [{"id": "Q1", "title": "Titanic", "types": ["ship"]}, {"id": "Q2", "title": "Paris", "types": ["band", "ship"]}]
    add_entities(folder, write_lines(tmp_path / "more.jsonl", more), encoder=str(encoder_folder))
    assert linker.reload()
    assert_like_oracle(linker, Linker.from_pretrained(folder), {"Q1", "Q2"})
    changed = [{**one, "types": ["film"] if one["id"] == "Q25173" else ["band"]} for one in [*RECORDS, *more]]
    update_entities(folder, write_lines(tmp_path / "changed.jsonl", changed), encoder=str(encoder_folder))
    assert linker.reload()
    assert_like_oracle(linker, Linker.from_pretrained(folder), {"Q25173", "Q1"})
    other = [{**one, "types": TYPES.get(one["id"], [])} for one in RECORDS]
    monkeypatch.chdir(encoder_folder.parent)  # the manifest has the name of the encoder there
    moved = linker.with_catalogue(other)
    assert moved.type_score_weight == WEIGHT
    assert [[x.entity for x in of_text] for of_text in moved.link(TEXTS)] == [[x.entity for x in of_text] for of_text in before]
    opened = Linker.from_catalogue(other, model=folder, encoder=encoder_folder, type_score_weight=WEIGHT)
    assert opened.link(TEXTS) == moved.link(TEXTS)


def assert_like_oracle(linker: Linker, plain: Linker, wanted: set[str]) -> None:
    """The candidates of all mentions are those of the oracle, and the wanted entities are among them."""
    seen = set()
    for text, [span] in zip(TEXTS, SPANS, strict=False):
        [link] = linker.link(text, mentions=[span])
        assert agrees(link.candidates, oracle(plain, text, *span))
        seen |= {one.entity for one in link.candidates}
    assert wanted <= seen


@pytest.mark.parametrize("weight", [-0.5, math.nan, math.inf, 1001, "0.5", True, None])
def test_a_wrong_weight_is_refused_in_one_sentence(weight, network, tokenizer, typed_entities):
    with pytest.raises(ElqError, match=r"^type_score_weight is .*, but must be a number from 0 to 1000: give 0.5"):
        Linker(network, tokenizer, typed_entities, threshold=-9.0, type_score_weight=weight)


def test_a_model_without_types_is_refused_before_its_catalogue_is_encoded(encoder_folder, tokenizer, typed_entities, capsys):
    sentence = "type_score_weight is 0.5, but the model was trained without types: train with model.types=goedel"
    with pytest.raises(ElqError, match=sentence):
        Linker(typed_model(encoder_folder, types="none"), tokenizer, typed_entities, threshold=-9.0, type_score_weight=0.5)
    for arguments in (["predict"], ["predict", "--catalogue", "nowhere.csv"]):
        assert run(arguments[0], [*arguments[1:], "--type-score-weight", "0.5", "who?"]) == 2
        printed = capsys.readouterr().err.strip()
        assert sentence in printed
        assert "\n" not in printed
    assert Linker.from_catalogue(type_score_weight=0).link("who directed titanic?")


def test_the_commands_take_the_weight(folder, question_file, tmp_path, capsys):
    flags = ["--model", str(folder), "--type-score-weight", str(WEIGHT)]
    linker, text = Linker.from_pretrained(folder, type_score_weight=WEIGHT), TEXTS[0]
    assert run("predict", [*flags, "--format", "jsonl", text]) == 0
    found = json.loads(capsys.readouterr().out)["links"]
    assert [(x["entity"], round(x["score"], 3)) for x in found] == [(x.entity, round(x.score, 3)) for x in linker.link(text)]
    assert found != []
    for more in ([], ["--given", "--candidates", "4"]):
        out = tmp_path / "metrics.json"
        assert run("evaluate", [*flags, *more, "--questions", str(question_file), "--output", str(out)]) == 0
        assert json.loads(out.read_text())["type_score_weight"] == WEIGHT
    capsys.readouterr()
    assert run("explain", [str(folder), text, "--type-score-weight", str(WEIGHT)]) == 0
    assert capsys.readouterr().out.strip() == str(linker.explain(text)) != str(Linker.from_pretrained(folder).explain(text))
    assert run("predict", [*flags[:2], "--type-score-weight=-1", text]) == 2
    assert "must be a number from 0 to 1000" in capsys.readouterr().err


def test_a_run_of_predict_goes_on_only_with_the_same_weight(folder, tmp_path):
    (source := tmp_path / "questions.txt").write_text(TEXTS[0])
    options = predict.parser().parse_args(["--model", str(folder), "--input", str(source)])
    plans = [predict._plan(options, Linker.from_pretrained(folder, type_score_weight=weight)) for weight in (0, 1, 2)]
    assert plans[0] == predict._plan(options, Linker.from_pretrained(folder))
    assert plans[0] != plans[1] != plans[2] != plans[0]


def test_a_server_takes_the_weight(folder):
    settings = read_settings({"model": [str(folder)]}, {"ELQ_TYPE_SCORE_WEIGHT": str(WEIGHT)})
    served = catalogues_of(settings)
    open_all(served, settings.opening)
    [one] = served.values()
    assert one.now.linker.type_score_weight == WEIGHT
    with pytest.raises(ElqError, match=r"--type-score-weight \(ELQ_TYPE_SCORE_WEIGHT\) is -1, but must be a number from 0 to"):
        read_settings({"type_score_weight": "-1"}, {})
