import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elq import Linker
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.manifest import Manifest
from elq.errors import ElqError
from elq.evaluation.evaluate import gold_rank
from elq.linking.decision import Decision
from elq.linking.decoding import without_overlaps
from elq.linking.folder import DECISION, ENTITIES
from elq.linking.scoring import entity_log_probs
from elq.model.network import ELQ
from elq.names.dictionary import Dictionary
from elq.tensors import Spans
from elq.training.export import export_folder
from elq.types import Mention
from tests.conftest import QUESTIONS, tiny_tokenizer

TEXTS = [text for text, _, _ in QUESTIONS]


@pytest.fixture
def linker(model, tokenizer, entities) -> Linker:
    return Linker(model, tokenizer, entities, threshold=-4.0, candidates=3)


def same(found, expected, tolerance=1e-4):
    """The links are equal; their scores may differ by the rounding error that different padding causes."""
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine.start, mine.end, mine.entity, mine.mention) == (theirs.start, theirs.end, theirs.entity, theirs.mention)
        assert mine.score == pytest.approx(theirs.score, abs=tolerance)
        assert [c.entity for c in mine.candidates] == [c.entity for c in theirs.candidates]


def slow_links(linker, text, threshold, k):
    """The slow oracle: the paper's inference, with each span and each entity scored separately."""
    tokens = linker.tokenizer([text])
    inside = tokens.text_mask[0].tolist()
    table = linker.entities.table.tensor()
    found = []
    with torch.inference_mode():
        hidden = linker.model.encode(tokens)
        start, end, mid = linker.model.scorer.linear(hidden)[0].unbind(-1)
        for i in range(len(inside)):
            for j in range(i, min(i + linker.model.config.max_span_tokens, len(inside))):
                if not all(inside[i : j + 1]):
                    continue
                mention = torch.nn.functional.logsigmoid(start[i] + end[j] + mid[i : j + 1].sum())
                vector = linker.model.pooler.projection(hidden[0, i : j + 1].mean(0))
                vector = vector / vector.norm() * linker.model.pooler.log_scale.exp()
                scores = table @ vector
                top = scores.topk(min(k, len(table)))
                whole = scores.logsumexp(-1, keepdim=True) if linker.score_mode == "table" else None
                probability = entity_log_probs(top.values[None], whole)[0, 0]
                found.append(((i, j + 1), float(mention + probability), int(top.indices[0])))
    found = [link for link in found if link[1] >= threshold]
    kept = sorted(found[i] for i in without_overlaps([f[0] for f in found], [f[1] for f in found]))
    offsets = tokens.offsets[0]
    return [(offsets[s][0], offsets[e - 1][1], linker.entities.catalogue[row].id, score) for (s, e), score, row in kept]


@pytest.mark.parametrize("mode", ["candidates", "table"])
@pytest.mark.parametrize("threshold", [-1.0, -2.0, -9.0])
def test_equals_the_slow_oracle(linker, mode, threshold):
    linker.scorer.score_mode = mode
    some = 0
    for text in TEXTS:
        expected = slow_links(linker, text, threshold, 3)
        found = linker.link(text, threshold=threshold)
        assert [(link.start, link.end, link.entity) for link in found] == [link[:3] for link in expected]
        assert [link.score for link in found] == pytest.approx([link[3] for link in expected], abs=1e-4)
        some += len(found)
    assert some or threshold > -9.0


def test_batched_equals_single_and_the_batch_size_is_no_matter(linker, model, tokenizer, entities):
    batched = linker.link(TEXTS)
    assert sum(map(len, batched)) > 3
    for text, links in zip(TEXTS, batched, strict=True):
        same(linker.link(text), links)
    for links, others in zip(
        batched, Linker(model, tokenizer, entities, threshold=-4.0, candidates=3, batch_size=2).link(TEXTS), strict=False
    ):
        same(links, others)


def test_a_bf16_training_run_around_it_changes_nothing(linker):
    """Validation runs inside the trainer's autocast, and must score as the exported folder does."""
    expected = linker.link(TEXTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = linker.link(TEXTS)
        mentions = [Mention(0, len(text), "Q90") for text in TEXTS]
        inside = gold_ranks(linker, TEXTS, mentions)
    assert found == expected
    assert inside == gold_ranks(linker, TEXTS, mentions)


def test_threads_share_a_linker(linker):
    expected = linker.link(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(linker.link, [TEXTS] * 12):
            for mine, theirs in zip(found, expected, strict=True):
                same(mine, theirs)


def test_a_higher_threshold_never_adds_a_link(linker):
    before = None
    for threshold in (-12.0, -6.0, -4.0, -2.0, -1.0, 0.0):
        now = {
            (i, link.start, link.end, link.entity)
            for i, links in enumerate(linker.link(TEXTS, threshold=threshold))
            for link in links
        }
        assert before is None or now <= before
        before = now
    assert before == set()


def test_knobs_change_something(linker, model, tokenizer, entities):
    wide = linker.link(TEXTS, threshold=-12.0)
    assert max(len(link.candidates) for links in wide for link in links) == 3
    assert {len(link.candidates) for links in linker.link(TEXTS, candidates=5) for link in links} == {5}
    assert wide[0][0].score != linker.link(TEXTS[0], threshold=-12.0, candidates=2)[0].score  # the softmax runs over K
    few = Linker(model, tokenizer, entities, threshold=-12.0, max_mentions=1).link(TEXTS)
    assert all(len(links) <= 1 for links in few)


def test_score_mode_table_does_not_depend_on_k(linker):
    linker.scorer.score_mode = "table"
    scores = [[link.score for link in linker.link(TEXTS[3], threshold=-20.0, candidates=k)] for k in (1, 2, 7)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert scores[0] == pytest.approx(scores[2], abs=1e-5)


def test_offsets_count_characters_of_the_original(linker):
    text = "who\tSANG 🎬 the QUEÉN sóng?  "
    links = linker.link(text, threshold=-12.0)
    assert links
    for link in links:
        assert text[link.start : link.end] == link.mention
        assert link.mention == link.mention.strip()
    assert any(link.mention.isupper() or not link.mention.isascii() for link in links)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_any_text_gives_links_inside_it(linker, text):
    links = linker.link(text, threshold=-30.0)
    for link in links:
        assert 0 <= link.start < link.end <= len(text)
        assert text[link.start : link.end] == link.mention
    assert all(one.end <= next_one.start for one, next_one in itertools.pairwise(links))


def test_empty_questions_have_no_links(linker):
    assert linker.link("") == []
    assert linker.link(["", " \t ", "\u200b"]) == [[], [], []]
    assert linker.link([]) == []


def test_permuting_the_catalogue_changes_no_link(linker, encoder_folder, tmp_path):
    from elq.entities.build import BuildSettings, build_entities
    from elq.entities.manifest import open_entities
    from tests.conftest import RECORDS, write_lines

    build_entities(
        write_lines(tmp_path / "c.jsonl", RECORDS[::-1]),
        tmp_path / "e",
        BuildSettings(encoder=str(encoder_folder), precision="fp32"),
    )
    turned = Linker(linker.model, linker.tokenizer, open_entities(tmp_path / "e"), threshold=-4.0, candidates=3)
    for mine, theirs in zip(turned.link(TEXTS), linker.link(TEXTS), strict=True):
        same(mine, theirs)


def gold_ranks(linker, texts, mentions, candidates=128):
    scored = linker.score(texts, mentions=[[mention] for mention in mentions], given_candidates=candidates)
    rows = linker.entities.catalogue.rows([mention.entity for mention in mentions])
    return [gold_rank(given, row) for [given], row in zip(scored.given, rows, strict=True)]


def test_gold_ranks(linker):
    text = "who lives in paris texas"
    order = [c.entity for c in linker_candidates(linker, text, Mention(13, 24, "Q90"))]
    for rank, entity in enumerate(order):
        assert gold_ranks(linker, [text], [Mention(13, 24, entity)]) == [rank]
    assert gold_ranks(linker, [text], [Mention(13, 24, order[3])], candidates=3) == [-1]
    assert gold_ranks(linker, [text, text], [Mention(3, 4, "Q90"), Mention(13, 24, "nobody")]) == [-1, -1]
    assert gold_ranks(linker, [], []) == []


def linker_candidates(linker, text, mention):
    """The slow oracle: all entities, ordered by their inner product with the span's vector."""
    from elq.encoding.tokens import token_span
    from elq.tensors import Spans
    from elq.types import Candidate

    tokens = linker.tokenizer([text])
    start, end = token_span(mention, tokens.offsets[0], tokens.text_mask[0].tolist())
    with torch.inference_mode():
        spans = Spans(torch.tensor([0]), torch.tensor([start]), torch.tensor([end]))
        scores = linker.entities.table.tensor() @ linker.model.mention_vectors(linker.model.encode(tokens), spans)[0]
    return [Candidate(linker.entities.catalogue[row].id, "", 0.0) for row in scores.argsort(descending=True).tolist()]


@pytest.fixture
def folder(model, tokenizer, entities, entities_folder, tmp_path):
    export_folder(tmp_path / "m", model, tokenizer, entities, entities_folder, Decision(threshold=-3.5, candidates=3))
    return tmp_path / "m"


def test_save_then_load_is_the_identity(linker, folder):
    loaded = Linker.from_pretrained(folder)
    assert (loaded.threshold, loaded.candidates, loaded.score_mode) == (-3.5, 3, "candidates")
    for text in TEXTS:
        assert loaded.link(text, threshold=-6.0) == linker.link(text, threshold=-6.0)
    decision, index = Decision.load(folder), Manifest.load(folder / ENTITIES).index
    assert (index, decision.candidates, decision.score_mode, decision.threshold) == ("exact", 3, "candidates", -3.5)


def test_a_long_text_is_linked_in_full(linker, model, tokenizer, entities):
    """The text has many more tokens than the tiny encoder's 64; the middle of a window is linked as in that window alone."""
    text = "who sang the queen song in paris texas " * 40
    linker = Linker(model, QuestionTokenizer(tiny_tokenizer()), entities, threshold=-4.0, candidates=3, max_mentions=1_000)
    long = linker.link(text, threshold=-6.0)
    assert long[-1].end > len(text) - 60
    assert all(one.end <= other.start for one, other in itertools.pairwise(long))
    assert all(text[link.start : link.end] == link.mention for link in long)
    batched = linker.link([TEXTS[0], text, TEXTS[1]], threshold=-6.0)
    same(batched[1], long)
    same(batched[0], linker.link(TEXTS[0], threshold=-6.0))


def test_folders_that_do_not_belong_together_are_refused(folder, entities_folder, tokenizer, entities, tmp_path):
    from tests.conftest import TINY_CONFIG

    with pytest.raises(ElqError, match=r"lacks config\.json, model\.safetensors, tokenizer\.json"):
        Linker.from_pretrained(entities_folder)
    with pytest.raises(ElqError, match="is not a folder and cannot be downloaded from the Hub"):
        Linker.from_pretrained("nobody/nothing")
    from elq.model.config import ELQConfig

    other = ELQ(ELQConfig(encoder={**TINY_CONFIG, "hidden_size": 64, "vocab_size": tokenizer.size}))
    with pytest.raises(ElqError, match="width 64, but the entity table has width 32"):
        Linker(other, tokenizer, entities, threshold=0.0)
    small = ELQ(ELQConfig(encoder={**TINY_CONFIG, "vocab_size": 50}))
    with pytest.raises(ElqError, match=f"gives token ids below {tokenizer.size}, but the encoder has only 50 ids"):
        Linker(small, tokenizer, entities, threshold=0.0)
    with pytest.raises(ElqError, match="score mode 'x'"):
        Linker(ELQ.from_pretrained(folder), tokenizer, entities, threshold=0.0, score_mode="x")
    (folder / DECISION).unlink()
    with pytest.raises(ElqError, match=r"has no decision\.json: its entities were built, but no model was trained"):
        Linker.from_pretrained(folder)


def test_bad_arguments(linker):
    for wrong in (5, None, 0, b""):
        with pytest.raises(ElqError, match=f"one is {wrong!r}"):
            linker.link(["a", wrong])
    with pytest.raises(ElqError, match="the threshold is nan"):
        linker.link("who", threshold=math.nan)
    with pytest.raises(ElqError, match="0 candidates"):
        linker.link("paris", candidates=0)


def test_a_model_that_asks_for_names_links_in_batches_as_one_by_one(encoder_folder, tokenizer, entities):
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, names=True).eval()
    linker = Linker(model, tokenizer, entities, threshold=-9.0)
    texts = [text for text, _, _ in QUESTIONS] + ["", "no names in here at all", "queen of paris, texas and the titanic"]
    together = linker.link(texts)
    for text, links in zip(texts, together, strict=True):
        alone = linker.link(text)
        assert [(x.start, x.end, x.entity) for x in alone] == [(x.start, x.end, x.entity) for x in links]
        assert [x.score for x in alone] == pytest.approx([x.score for x in links], abs=1e-4)
    with torch.no_grad():
        model.name_bonus.weight.zero_()
    assert together != linker.link(texts)
    with pytest.raises(ElqError, match='score mode "elq" cannot use names'):
        Linker(model, tokenizer, entities, threshold=-9.0, score_mode="elq")


@pytest.mark.parametrize("mode", ["candidates", "table"])
def test_entities_of_a_name_are_candidates_with_what_their_kind_is_worth(mode, encoder_folder, tokenizer, entities):
    torch.manual_seed(2)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, names=True).eval()
    with torch.no_grad():
        model.name_bonus.weight.copy_(torch.linspace(-0.2, 0.3, len(model.name_bonus.weight)))  # times 20
    linker = Linker(model, tokenizer, entities, threshold=-math.inf, candidates=4, score_mode=mode)
    everyone = Linker(model, tokenizer, entities, threshold=-math.inf, candidates=len(entities.table), score_mode=mode)
    dictionary, table = Dictionary(entities.catalogue), entities.table.tensor()
    for text in ("queen of paris texas and the titanics", "who sang queen"):
        tokens = tokenizer([text])
        for found, all_found in zip(linker.link(text), everyone.link(text), strict=mode == "table"):
            assert len(found.candidates) == 4
            inside = [t for t, (a, b) in enumerate(tokens.offsets[0]) if found.start <= a < b <= found.end]
            spans = Spans(torch.tensor([0]), torch.tensor([inside[0]]), torch.tensor([inside[-1] + 1]))
            with torch.inference_mode():
                scores = (model.mention_vectors(model.encode(tokens), spans) @ table.T)[0].tolist()  # (N,)
            name_matches = dictionary.name_matches([found.mention])
            for row, kind in zip(name_matches.rows[0].tolist(), name_matches.kinds[0].tolist(), strict=True):
                scores[row] += 20 * model.name_bonus.weight[kind].item()
            scores = torch.tensor(scores)
            best = scores.topk(4).indices
            log_probs = torch.log_softmax(scores if mode == "table" else scores[best], -1)
            assert [c.entity for c in found.candidates] == [entities.catalogue[row].id for row in best.tolist()]
            wanted = log_probs[best] if mode == "table" else log_probs
            # over the table, a negative bonus takes nearly all of a sum away again, and what is left has few digits
            tolerance = 1e-4 if mode == "candidates" else 3e-4
            assert [c.score for c in found.candidates] == pytest.approx(wanted.tolist(), abs=tolerance)
            assert mode == "candidates" or found.score == pytest.approx(all_found.score, abs=tolerance)  # K is no matter
