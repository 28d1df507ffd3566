"""elq computes the same as the released ELQ's own code, on a tiny model in the released file formats.

The largest difference of each quantity is printed (pytest -s). The expected values lie beside the project, where it has them.
"""

import json
import math
from dataclasses import replace

import pytest
import torch

from elq import Linker
from elq.encoding.entity_texts import EntityEncoder
from elq.encoding.pretrained import load_tokenizer, resolve_encoder
from elq.entities.manifest import open_entities
from elq.evaluation.evaluate import evaluate
from elq.linking.decoding import without_overlaps
from elq.linking.folder import ENTITIES, ENTITY_ENCODER
from elq.model.network import ELQ
from elq.model.spans import keep_spans, mean_of_spans
from elq.questions.annotated import read_questions
from elq.reading.torch_files import read_tensor
from elq.released.formats import ENTITY_TEXT
from elq.released.importing import Release, import_release
from elq.tensors import Spans
from elq.training.losses import mention_loss
from elq.training.released_losses import released_in_batch_loss, released_loss, released_negatives

CLOSE = 1e-4


@pytest.fixture(scope="module")
def reference(shared):
    return shared / "reference_elq"


def release(reference, index=None) -> Release:
    return Release(
        weights=reference / "elq_tiny.bin",
        params=reference / "elq_tiny_params.txt",
        encoder=reference,
        catalogue=reference / "entity.jsonl",
        table=reference / "all_entities_tiny.t7",
        index=index and reference / index,
    )


@pytest.fixture(scope="module")
def folders(reference, tmp_path_factory):
    """The release, imported without an index, with the flat index and with the graph index."""
    made = tmp_path_factory.mktemp("imported")
    for name, index in (("none", None), ("flat", "faiss_flat_index.pkl"), ("hnsw", "faiss_hnsw_index.pkl")):
        import_release(release(reference, index), made / name)
    return made


@pytest.fixture(scope="module")
def linker(folders):
    return Linker.from_pretrained(folders / "flat")


@pytest.fixture(scope="module")
def encoded(reference):
    return torch.load(reference / "encode_context.pt", weights_only=True)


@pytest.fixture(scope="module")
def step(reference):
    return torch.load(reference / "train_step.pt", weights_only=True)


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


def texts_of(reference) -> list[str]:
    return [question["text"] for question in json.loads((reference / "questions.json").read_text())]


def largest(name: str, ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape
    assert torch.equal(ours == -torch.inf, theirs == -torch.inf)
    difference = float((ours - theirs)[theirs > -torch.inf].abs().max())
    print(f"{name}: largest difference {difference:.1e}")
    assert difference <= CLOSE


def scores_of(linker, tokens, bounds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Token vectors, and the scores of the released list of spans [start, end], both inclusive: (B, S)."""
    hidden = linker.model.encode(tokens)
    grid = linker.model.mention_logits(hidden, tokens)  # (B, T, L)
    padded = torch.full((len(grid), 32, 11), -torch.inf)
    padded[:, : grid.shape[1]] = grid
    start, end = bounds.unbind(-1)
    length = (end - start).clamp(0, 10)
    found = padded[torch.arange(len(grid)).unsqueeze(-1), start, length]
    return hidden, found.masked_fill(end < start, -torch.inf)


def test_tokens(reference, linker, encoded):
    texts = texts_of(reference)
    for number, batch in enumerate(encoded):
        tokens = linker.tokenizer(texts[8 * number : 8 * number + 8])
        ids = torch.nn.functional.pad(tokens.ids, (0, 32 - tokens.ids.shape[1]))
        assert torch.equal(ids, batch["input_ids"])


def test_every_span_score_and_the_vectors_of_the_kept_ones(reference, linker, encoded):
    texts = texts_of(reference)
    for number, batch in enumerate(encoded):
        tokens = linker.tokenizer(texts[8 * number : 8 * number + 8])
        hidden, scores = scores_of(linker, tokens, batch["all_mention_bounds"])
        largest(f"span scores, batch {number}", scores, batch["all_mention_logits"])
        grid = linker.model.mention_logits(hidden, tokens)
        kept, log_probs = keep_spans(grid, -4.5, torch.full((len(grid),), 10))
        mask, bounds = batch["mention_masks"], batch["mention_bounds"]
        theirs = {
            (b, *bound): place
            for place, (b, bound) in enumerate(zip(mask.nonzero()[:, 0].tolist(), bounds[mask].tolist(), strict=True))
        }
        ours = list(zip(kept.question.tolist(), kept.start.tolist(), (kept.end - 1).tolist(), strict=True))
        assert sorted(ours) == sorted(theirs)
        order = torch.tensor([theirs[span] for span in ours])
        expected = torch.nn.functional.logsigmoid(batch["mention_logits"][mask])[order]
        largest(f"scores of kept spans, batch {number}", log_probs, expected)
        vectors = linker.model.mention_vectors(hidden, kept)
        largest(f"mention vectors, batch {number}", vectors, batch["mention_reps"][mask][order])


@pytest.mark.parametrize("setting", ["flat_all", "flat_mid", "flat_high", "none_mid", "hnsw_mid", "flat_k3"])
def test_the_links(setting, reference, folders, monkeypatch):
    expected = json.loads((reference / "predictions.json").read_text())[setting]
    linker = Linker.from_pretrained(folders / setting.split("_")[0])
    linker.scorer.max_mentions = expected["num_cand_mentions"]
    assert linker.entities.index.kind == ("hnsw" if setting == "hnsw_mid" else "exact")
    spans = []  # token bounds of the links of each question, in order of their start: a link itself has characters only
    monkeypatch.setattr("elq.linking.decoding.without_overlaps", lambda *args: _recorded(spans, *args))
    monkeypatch.setattr(linker, "batch_size", 1)  # so that the questions come one by one
    links = [
        linker.link(text, threshold=expected["threshold"], candidates=expected["num_cand_entities"])
        for text in texts_of(reference)
    ]
    worst = 0.0
    for found, bounds, prediction in zip(links, spans, expected["predictions"], strict=True):
        rows = linker.entities.catalogue.rows([link.entity for link in found]).tolist()
        ours = sorted(
            ((link.score, str(row), start - 1, end - 1) for link, row, (start, end) in zip(found, rows, bounds, strict=True)),
            reverse=True,
        )
        assert [list(triple) for _, *triple in ours] == prediction["pred_triples"]
        assert all(len(link.candidates) == expected["num_cand_entities"] for link in found)
        worst = max([worst, *(abs(a[0] - b) for a, b in zip(ours, prediction["scores"], strict=True))])
    print(f"joint scores, {setting}: largest difference {worst:.1e}")
    assert worst <= CLOSE


def _recorded(spans, bounds, scores):
    kept = without_overlaps(bounds, scores)
    spans.append(sorted(bounds[i] for i in kept))
    return kept


def test_the_entity_encoder_makes_the_released_vectors(reference, folders):
    """From entity.jsonl through our text and tokenizer: the released token ids, and then the released table."""
    entities = open_entities(folders / "none" / ENTITIES)
    encoder = EntityEncoder(str(folders / "none" / ENTITY_ENCODER), pooling="cls", max_tokens=64, precision="fp32")
    texts = [ENTITY_TEXT(entity) for entity in entities.catalogue]
    ids = encoder.tokenizer(texts).ids
    wanted = torch.from_numpy(read_tensor(reference / "entity_token_ids_64.t7").copy())
    assert torch.equal(torch.nn.functional.pad(ids, (0, 64 - ids.shape[1])), wanted)
    largest("entity vectors", encoder(texts), entities.table.tensor())


def test_the_losses(reference, linker, step):
    questions = read_questions(reference / "labelled.jsonl", linker.entities.catalogue)[:16]
    tokens = linker.tokenizer([question.text for question in questions])
    assert torch.equal(torch.nn.functional.pad(tokens.ids, (0, 32 - tokens.ids.shape[1])), step["input_ids"])
    hidden, scores = scores_of(linker, tokens, step["all_mention_bounds"])
    largest("span scores in training", scores, step["all_mention_logits"])
    mask = step["mention_mask"]
    question = mask.nonzero()[:, 0]
    start, end = step["mention_idxs"][mask].unbind(-1)
    gold, spans = step["label_ids"][mask], Spans(question, start, end + 1)
    total, count = mention_loss(linker.model.mention_logits(hidden, tokens), spans)
    largest("span loss", total / count, step["span_loss"])
    vectors = linker.model.mention_vectors(hidden, spans)
    largest("mention vectors in training", vectors, step["mention_reps"][mask])
    table = linker.entities.table
    total, count = released_in_batch_loss(vectors, gold, table.gather(gold))
    largest("in-batch loss", total / count, step["inbatch_ce"])
    nearest = linker.entities.index.search(vectors, 10)[1]
    assert torch.equal(nearest, step["hard_negative_ids"])
    kept = released_negatives(gold, nearest, question)
    first = torch.tensor([int((question == b).nonzero()[0]) for b in range(16)])  # one mention of each question tells its ranks
    assert int(kept[first].sum()) == len(step["hard_negative_examples"]) == 143
    assert torch.equal(kept[first].nonzero()[:, 0], step["hard_negative_examples"])
    total, count = released_loss(vectors, gold, question, table.gather(gold), nearest, table.gather(nearest))
    largest("hard-negative loss", total / count, step["hard_negative_bce"])


def test_the_collator_makes_the_released_batch(reference, linker, step):
    """Labelled questions → the spans and rows that the released code trains on."""
    from elq.training.batches import Collator

    questions = read_questions(reference / "labelled.jsonl", linker.entities.catalogue)
    rows = {entity.id: row for row, entity in enumerate(linker.entities.catalogue)}
    batch = Collator(linker.tokenizer, rows, max_span_tokens=11)(questions[:16])
    mask = step["mention_mask"]
    assert batch.rows.tolist() == step["label_ids"][mask].tolist()
    assert [*zip(batch.mentions.start.tolist(), (batch.mentions.end - 1).tolist(), strict=True)] == [
        (start, end) for start, end in step["mention_idxs"][mask].tolist()
    ]
    raw = [json.loads(line) for line in (reference / "labelled.jsonl").read_text().splitlines()]
    for question, record in zip(questions, raw, strict=True):
        tokens = linker.tokenizer([question.text])
        assert tokens.ids[0, 1:-1].tolist() == record["tokenized_text_ids"][:30]
        assert [mention.entity for mention in question.mentions] == [
            wikidata or linker.entities.catalogue[row].id
            for wikidata, row in zip(record["wikidata_id"], record["label_id"], strict=True)
        ]


def test_the_metrics(reference, folders, linker):
    expected = json.loads((reference / "metrics.json").read_text())
    linker = Linker.from_pretrained(folders / "flat")
    linker.scorer.max_mentions = 10
    questions = read_questions(reference / "labelled.jsonl", linker.entities.catalogue)
    metrics = evaluate(linker, questions, threshold=expected["threshold"])
    ours = {
        "num_correct_weak": metrics["released_weak_correct"],
        "num_correct_strong": metrics["released_strong_correct"],
        "num_predicted": metrics["released_weak_predicted"],
        "num_gold": metrics["released_weak_gold"],
        "weak_window": metrics["released_window_weak_correct"],
        "strong_window": metrics["released_window_strong_correct"],
        "num_gold_window": metrics["released_window_weak_gold"],
        "threshold": expected["threshold"],
    }
    assert ours == expected


def test_our_own_scoring_never_links_special_tokens_and_reads_the_whole_text(reference, folders):
    """Known faults of the released behaviour, which the default settings of elq do not have."""
    texts = [f"{text} {' '.join(['the'] * 60)} {text}" for text in texts_of(reference)]
    released = Linker.from_pretrained(folders / "none")
    ours = Linker.from_pretrained(folders / "none", scoring="candidates")
    everything = released.link(texts, threshold=-math.inf), ours.link(texts, threshold=-math.inf)
    assert any(not link.mention for links in everything[0] for link in links)
    assert all(link.mention for links in everything[1] for link in links)
    half = [len(text) // 2 for text in texts]
    assert not any(link.end > end for links, end in zip(everything[0], half, strict=True) for link in links)
    assert any(link.end > end for links, end in zip(everything[1], half, strict=True) for link in links)


def test_a_model_goes_on_training_from_the_released_one(folders):
    trained = ELQ.from_encoder(folders / "none", max_span_tokens=11, projection=False, unit_norm=False)
    assert trained.training  # Lightning leaves it as it is: with dropout off the fit would differ
    for key, value in ELQ.from_pretrained(folders / "none").state_dict().items():
        assert torch.equal(trained.state_dict()[key], value)
    assert resolve_encoder(folders / "none") == folders / "none"
    assert load_tokenizer(folders / "none").size == trained.config.encoder["vocab_size"]


def test_half_precision_is_an_option_whose_drift_is_told(reference, tmp_path, caplog):
    caplog.set_level("INFO")
    manifest = import_release(release(reference), tmp_path / "half", dtype="float16")
    assert manifest.dtype == "float16"
    assert "float16: scores of a sample differ from those in float32 by at most" in caplog.text
    exact = read_tensor(reference / "all_entities_tiny.t7")
    half = open_entities(tmp_path / "half" / ENTITIES).table.tensor().numpy()
    assert 0 < abs(half - exact).max() < 5e-3
    assert replace(manifest, dtype="float32").dtype == import_release(release(reference), tmp_path / "full").dtype


def test_pooling_equals_the_mean_of_the_kept_spans(reference, linker, encoded):
    """A slow oracle for the cumulative sums, on the released spans, which include those of [CLS] and [SEP]."""
    tokens = linker.tokenizer(texts_of(reference)[:8])
    hidden = linker.model.encode(tokens)
    mask, bounds = encoded[0]["mention_masks"], encoded[0]["mention_bounds"]
    question = mask.nonzero()[:, 0]
    start, end = bounds[mask].unbind(-1)
    slow = torch.stack(
        [hidden[b, s : e + 1].mean(0) for b, s, e in zip(question.tolist(), start.tolist(), end.tolist(), strict=True)]
    )
    torch.testing.assert_close(mean_of_spans(hidden, Spans(question, start, end + 1)), slow, atol=1e-5, rtol=0)
