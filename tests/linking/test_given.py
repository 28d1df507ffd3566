"""Given mentions, their candidates, and restrictions to types and ids; each against a slow oracle."""

import math

import pytest
import torch

from elq import ElqError, Linker, Mention
from elq.encoding.capitals import capitals_of_words
from elq.encoding.tokens import token_span
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import open_entities
from elq.linking import restriction
from elq.linking.calibration import Calibration
from elq.linking.restriction import allowed_rows, best_allowed
from elq.model.network import ELQ
from elq.names.words import as_name
from elq.tensors import Spans
from tests.conftest import QUESTIONS, RECORDS

TEXTS = [text for text, _, _ in QUESTIONS] + ["queen of paris, texas and the titanic", "was Queen in paris and the Titanic"]


def random_model(encoder_folder, rich: bool) -> ELQ:
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, scale=4.0, names=rich, nil=rich, capitals=rich).eval()
    if rich:
        with torch.no_grad():
            model.name_bonus.weight.copy_(torch.linspace(0.0, 0.3, len(model.name_bonus.weight)))  # times 20
            model.nil.value.fill_(0.1)
            model.scorer.capitals.copy_(torch.tensor([[-0.2, -0.1, -0.03], [0.1, 0.2, 0.02]]))  # times 20
    return model


@pytest.fixture(params=["candidates", "table"])
def mode(request) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["vectors", "names and NIL"])
def linker(request, mode, encoder_folder, tokenizer, entities) -> Linker:
    model = random_model(encoder_folder, request.param)
    calibration = Calibration(0.5, 0.7)
    return Linker(model, tokenizer, entities, threshold=-2.0, candidates=4, score_mode=mode, calibration=calibration)


def oracle(linker, text, start, end, k, allowed=None):
    """log p(mention), (id, log p(entity | mention)) of the allowed ones, best first, and log p(NIL | mention)."""
    model, tokens = linker.model, linker.scorer.tokens([text])
    first, after = token_span(Mention(start, end, None), tokens.offsets[0], tokens.text_mask[0].tolist())
    span = Spans(torch.tensor([0]), torch.tensor([first]), torch.tensor([after]))
    with torch.inference_mode():
        hidden = model.encode(tokens)
        of_tokens = model.scorer.linear(hidden)[0].tolist()
        for token, (at, stop) in enumerate(tokens.offsets[0]):
            kind = max([(place, kind) for place, kind in capitals_of_words(text) if place <= at < stop], default=(0, 0))[1]
            if kind and model.scorer.capitals is not None:
                more = model.scorer.capitals[kind - 1].tolist()
                of_tokens[token] = [score + 20 * each for score, each in zip(of_tokens[token], more, strict=True)]
        s, e, inside = torch.tensor(of_tokens).unbind(-1)
        logit = s[first] + e[after - 1] + inside[first:after].sum()
        if tokens.named is not None and after - first <= tokens.named.shape[-1]:
            kind = int(tokens.named[0, first, after - first - 1])
            logit = logit + (20 * model.scorer.name[kind - 1] if kind else 0)
        scores = (linker.entities.table.tensor() @ model.mention_vectors(hidden, span)[0]).tolist()
        nil = model.nil_scores(model.mention_vectors(hidden, span), span, tokens)
    if model.name_bonus is not None:
        name = as_name(text, tokens.offsets[0][first][0], tokens.offsets[0][after - 1][1])
        matches = linker.dictionary.name_matches([name])
        for row, kind in zip(matches.rows[0].tolist(), matches.kinds[0].tolist(), strict=True):
            scores[row] += 20 * model.name_bonus.weight[kind].item()
    order = sorted(range(len(scores)), key=lambda row: -scores[row])
    counted = [scores[row] for row in (order[:k] if linker.score_mode == "candidates" else order)]
    total = torch.tensor(counted + ([] if nil is None else [float(nil)])).double().logsumexp(-1).item()
    ids = [entity.id for entity in linker.entities.catalogue]
    best = [(ids[row], scores[row] - total) for row in order if allowed is None or ids[row] in allowed][:k]
    return float(torch.nn.functional.logsigmoid(logit)), best, None if nil is None else float(nil) - total


def everywhere(text):
    """The characters of every sequence of words of a text."""
    places = [(m, m + len(word)) for word in set(text.split()) for m in [text.index(word)]]
    return [(start, end) for start, _ in places for _, end in places if start < end]


def test_given_mentions_are_linked_as_the_slow_oracle_says(linker):
    mentions = [everywhere(text) for text in TEXTS]
    found = linker.link(TEXTS, mentions=mentions)
    long = 0
    for text, spans, links in zip(TEXTS, mentions, found, strict=True):
        assert [(link.start, link.end) for link in links] == spans
        for link in links:
            mention, best, _ = oracle(linker, text, link.start, link.end, 4)
            assert link.mention == text[link.start : link.end]
            assert link.mention_score == pytest.approx(mention, abs=1e-4)
            assert link.entity == best[0][0]
            assert [c.entity for c in link.candidates] == [entity for entity, _ in best]
            assert [c.score for c in link.candidates] == pytest.approx([score for _, score in best], abs=5e-4)
            assert link.score == pytest.approx(mention + best[0][1], abs=5e-4)
            assert link.probability == linker.calibration.probability(link.mention_score, link.score - link.mention_score)
            long += len(link.mention.split()) > 4  # longer than the spans that the model looks at
    assert long


def test_what_the_linker_finds_itself_has_the_same_scores_when_it_is_given(linker):
    for text, links in zip(TEXTS, linker.link(TEXTS, threshold=-9.0), strict=True):
        given = linker.link(text, mentions=[(link.start, link.end) for link in links])
        for mine, theirs in zip(given, links, strict=True):
            assert (mine.start, mine.end, mine.entity) == (theirs.start, theirs.end, theirs.entity)
            numbers = [mine.score, mine.mention_score, mine.probability]
            assert numbers == pytest.approx([theirs.score, theirs.mention_score, theirs.probability], abs=1e-4)


def test_given_mentions_keep_their_order_overlap_and_repeat(linker):
    text, spans = "who lives in paris texas", [(19, 24), (13, 24), (13, 18), (13, 24), (0, 24)]
    links = linker.link(text, mentions=spans)
    assert [(link.start, link.end) for link in links] == spans
    assert links[1] == links[3]
    assert linker.link([text, "", "who"], mentions=[spans, [], [(0, 2)]])[2][0].mention == "wh"  # a part of a token
    assert linker.link([], mentions=[]) == []
    assert linker.link([text], mentions=[[Mention(13, 24, "Q90")]])[0][0].entity == links[1].entity
    assert linker.link(text, mentions=[]) == []


def test_a_given_mention_may_be_nil(mode, encoder_folder, tokenizer, entities):
    linker = Linker(random_model(encoder_folder, True), tokenizer, entities, threshold=-2.0, candidates=4, score_mode=mode)
    mentions, some = [everywhere(text) for text in TEXTS], set()
    for nil in (False, True):
        for text, links in zip(TEXTS, linker.link(TEXTS, mentions=mentions, nil=nil), strict=True):
            for link in links:
                _, best, log_nil = oracle(linker, text, link.start, link.end, 4)
                assert link.entity == ("NIL" if nil and log_nil > best[0][1] else best[0][0])
                some.add((nil, link.entity == "NIL"))
    assert some == {(False, False), (True, False), (True, True)}


@pytest.mark.parametrize(
    ("mentions", "message"),
    [
        ([[(3, 3)], []], r"text 0 has start 3 and end 3, but must lie in its 22 characters and not be empty"),
        ([[], [(0, 99)]], "text 1 has start 0 and end 99"),
        ([[], [(-1, 2)]], "text 1 has start -1"),
        ([[(5, 2)], []], "text 0 has start 5 and end 2"),
        ([[(3, 4)], []], r"the mention ' ' \(characters 3 to 4\) overlaps no token"),
        ([[(0, 3)]], "there are 2 texts, but the mentions are 1 lists"),
        ([(0, 3), (0, 3)], "a mention of text 0 is 0, but must be two whole numbers"),
        ([[(0.0, 3)], []], r"a mention of text 0 is \(0\.0, 3\), but must be two whole numbers"),
        ([["who"], []], "a mention of text 0 is 'who', but must be two whole numbers"),
        (["who", []], "the mentions of text 0 are 'who', but must be a list"),
        (5, "there are 2 texts, but the mentions are 5"),
    ],
)
def test_wrong_mentions_are_one_sentence(mentions, message, linker):
    with pytest.raises(ElqError, match=message) as error:
        linker.link(["who directed titanic?", "who"], mentions=mentions) if "22" not in message else linker.link(
            ["who directed titanic ?", "who"], mentions=mentions
        )
    assert "\n" not in str(error.value)


def test_given_mentions_are_always_answered_so_thresholds_are_refused(linker):
    for more in ({"threshold": -1.0}, {"min_probability": 0.5}):
        with pytest.raises(ElqError, match="but given mentions are always answered: leave out one of them"):
            linker.link("who directed titanic", mentions=[(13, 20)], **more)


def test_the_candidates_of_a_mention(linker):
    for k in (1, 3, 7):
        found = linker.candidates_of("who directed titanic?", 13, 20, k)
        _, best, _ = oracle(linker, "who directed titanic?", 13, 20, k)
        assert [c.entity for c in found] == [entity for entity, _ in best]
        assert [c.score for c in found] == pytest.approx([score for _, score in best], abs=5e-4)
    assert len(linker.candidates_of("who directed titanic?", 13, 20)) == len(RECORDS)
    with pytest.raises(ElqError, match="0 candidates"):
        linker.candidates_of("who directed titanic?", 13, 20, 0)


ALLOWED = [
    ({"types": ["city", "ship"]}, {"Q830149", "Q25173"}),
    ({"types": "band"}, {"Q15862"}),
    ({"ids": {"Q90", "Q116", "Q44578"}}, {"Q90", "Q116", "Q44578"}),
    ({"types": ["city", "band"], "ids": ["Q90", "Q15862"]}, {"Q15862"}),
]


@pytest.mark.parametrize(("how", "allowed"), ALLOWED, ids=["types", "one type", "ids", "types and ids"])
@pytest.mark.parametrize("block", [2, 65_536])
def test_a_restriction_gives_the_best_allowed_entities_with_their_own_scores(how, allowed, block, linker, monkeypatch):
    monkeypatch.setattr(restriction, "BLOCK", block)
    mentions = [everywhere(text) for text in TEXTS]
    for text, links in zip(TEXTS, linker.link(TEXTS, mentions=mentions, **how), strict=True):
        for link in links:
            _, best, _ = oracle(linker, text, link.start, link.end, 4, allowed)
            assert [c.entity for c in link.candidates] == [entity for entity, _ in best]
            assert [c.score for c in link.candidates] == pytest.approx([score for _, score in best], abs=5e-4)
    for text, links in zip(TEXTS, linker.link(TEXTS, threshold=-9.0, **how), strict=True):
        assert {link.entity for link in links} <= allowed
        for link in links:
            mention, best, _ = oracle(linker, text, link.start, link.end, 4, allowed)
            assert (link.entity, link.score) == (best[0][0], pytest.approx(mention + best[0][1], abs=5e-4))
    assert [c.entity for c in linker.candidates_of(TEXTS[0], 13, 20, 2, **how)] == [
        entity for entity, _ in oracle(linker, TEXTS[0], 13, 20, 2, allowed)[1]
    ]


def test_a_restriction_is_exact_where_a_name_counts_against_an_entity(encoder_folder, tokenizer, entities):
    model = random_model(encoder_folder, True)
    with torch.no_grad():
        model.name_bonus.weight.copy_(torch.linspace(-0.3, 0.1, len(model.name_bonus.weight)))
    linker = Linker(model, tokenizer, entities, threshold=-2.0, candidates=2, score_mode="table")
    allowed = {record["id"] for record in RECORDS[:6]}
    for text in TEXTS:
        for link in linker.link(text, mentions=everywhere(text), ids=allowed):
            _, best, _ = oracle(linker, text, link.start, link.end, 2, allowed)
            assert [c.entity for c in link.candidates] == [entity for entity, _ in best]


def test_all_entities_allowed_is_no_restriction_and_an_iterator_is_read(linker):
    everyone = linker.link(TEXTS, threshold=-6.0, ids=[record["id"] for record in RECORDS])
    for links, expected in zip(everyone, linker.link(TEXTS, threshold=-6.0), strict=True):
        assert [(x.start, x.end, x.entity) for x in links] == [(x.start, x.end, x.entity) for x in expected]
        assert [x.score for x in links] == pytest.approx([x.score for x in expected], abs=1e-4)
    one = linker.link(TEXTS, threshold=-9.0, ids=(entity for entity in ("Q90",)))
    assert {link.entity for links in one for link in links} == {"Q90"}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"types": ["shipp"]}, "no entity of the catalogue has the type 'shipp': give one that it has, such as ship"),
        ({"types": ["zzz"]}, "has the type 'zzz': give one that it has, such as "),
        ({"types": []}, r"types has \[\], but must be strings, at least one"),
        ({"types": [5]}, "types has 5, but must be strings"),
        ({"ids": 5}, "ids has 5, but must be strings"),
        ({"ids": ["Q90", "Q0"]}, "the catalogue has no entity with the id 'Q0'"),
        ({"ids": ["Q90"], "types": ["ship"]}, "no entity has one of these types and one of these ids"),
    ],
)
def test_wrong_restrictions_are_one_sentence(how, message, linker):
    with pytest.raises(ElqError, match=message):
        linker.link(TEXTS, **how)


def test_with_hnsw_a_restriction_is_exact(encoder_folder, catalogue_file, tokenizer, tmp_path):
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", index="hnsw")
    build_entities(catalogue_file, tmp_path / "e", settings)
    linker = Linker(random_model(encoder_folder, True), tokenizer, open_entities(tmp_path / "e"), threshold=-2.0, candidates=4)
    for how, allowed in (ALLOWED[0], ALLOWED[2]):
        for text in TEXTS:
            for link in linker.link(text, mentions=everywhere(text), **how):
                _, best, _ = oracle(linker, text, link.start, link.end, 4, allowed)
                assert [c.entity for c in link.candidates] == [entity for entity, _ in best]


def test_the_best_allowed_rows_are_those_of_a_sort(entities):
    vectors = torch.randn(5, entities.table.width)
    allowed = torch.tensor([0, 2, 3, 6])
    for k in (1, 3, 9):
        scores, rows = best_allowed(entities.table, vectors, allowed, k)
        products = vectors @ entities.table.tensor()[allowed].T
        order = products.argsort(-1, descending=True)[:, :k]
        assert rows.tolist() == allowed[order].tolist()
        torch.testing.assert_close(scores, products.gather(-1, order))
    assert allowed_rows(entities.catalogue) is None
    assert math.isfinite(float(scores.max()))
