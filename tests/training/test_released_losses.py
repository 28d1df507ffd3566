"""Training like the released ELQ, from an imported folder and on its questions, and its way of counting."""

import json

import pytest
import torch
import yaml
from torch.nn import functional

from elq import Linker
from elq.commands import run
from elq.commands.train import fit
from elq.encoding.transformer import Encoder
from elq.entities.manifest import Manifest, open_entities
from elq.errors import ElqError
from elq.evaluation.counting import count
from elq.evaluation.evaluate import evaluate
from elq.evaluation.released_counting import released_counts
from elq.linking.decision import Decision
from elq.linking.folder import ENTITIES, ENTITY_ENCODER
from elq.model.network import ELQ
from elq.questions.annotated import read_questions
from elq.training.batches import Collator
from elq.training.parser import ELQCLI
from elq.training.released_losses import released_in_batch_loss, released_loss
from elq.types import Link, Mention, Question
from tests.conftest import write_lines

SETTINGS = {
    "max_span_tokens": 5,
    "projection": False,
    "unit_norm": False,
    "mention_weight": 1.0,
    "loss": "released",
    "hard_negatives": 4,
    "score_mode": "elq",
    "question_tokens": 12,
    "candidates": 4,
    "lr_encoder": 1e-4,
    "lr_heads": 1e-3,
    "warmup_steps": 2,
}


@pytest.fixture(scope="module")
def labelled(imported, tmp_path_factory):
    """Questions in the released format (EL4QA), about entities of the release."""
    records = []
    for row, entity in enumerate(open_entities(imported / ENTITIES).catalogue):
        name = entity.title.split()[0]
        text = f"who is the {name} of it?"
        records.append({"id": f"q{row}", "text": text, "mentions": [[11, 11 + len(name)]], "label_id": [row]})
    return write_lines(tmp_path_factory.mktemp("el4qa") / "train.jsonl", records)


def values(imported, labelled, **model) -> dict:
    return {
        "seed_everything": 1,
        "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 2},
        "model": {**SETTINGS, "encoder": str(imported), **model},
        "data": {
            "catalogue": None,
            "entities": str(imported / ENTITIES),
            "train": [{"epochs": 2, "sources": [{"file": str(labelled)}]}],
            "dev": str(labelled),
            "batch_size": 8,
        },
    }


def test_training_goes_on_from_an_imported_folder_and_can_go_back(imported, labelled, tmp_path):
    metrics = fit(values(imported, labelled, threshold=-3.25), tmp_path / "run")
    model = tmp_path / "run" / "model"
    decision, index = Decision.load(model), Manifest.load(model / ENTITIES).index
    assert (decision.score_mode, decision.threshold, decision.candidates, index) == ("elq", -3.25, 4, "hnsw")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["threshold"] == -3.25
    assert metrics["released_weak_gold"] == 40
    before, after = ELQ.from_pretrained(imported).state_dict(), ELQ.from_pretrained(model).state_dict()
    assert not torch.equal(before["scorer.linear.weight"], after["scorer.linear.weight"])
    assert (before["scorer.linear.weight"] - after["scorer.linear.weight"]).abs().max() < 0.1  # it did not start anew
    assert (model / ENTITY_ENCODER / "model.safetensors").is_file()
    assert run("export", ["--model", str(model), "--format", "blink", "--output", str(tmp_path / "blink")]) == 0


def test_settings_that_are_not_the_folder_s_own_are_refused(imported, labelled, tmp_path):
    with pytest.raises(ElqError, match="has max_span_tokens 5, but 10 is asked for: set model.max_span_tokens to 5"):
        fit(values(imported, labelled, max_span_tokens=10), tmp_path / "run")


def test_an_imported_folder_gives_its_encoder_to_a_build(imported, tmp_path):
    source = write_lines(tmp_path / "c.jsonl", [{"id": "E1", "title": "paris", "description": "city of the river"}])
    command = [
        "--catalogue",
        str(source),
        "--encoder",
        str(imported / ENTITY_ENCODER),
        "--pooling",
        "cls",
        "--precision",
        "fp32",
    ]
    command += ["--text", "title,description", "--dtype", "float32"]
    tables = []
    for separator in (" [unused2] ", ": "):
        assert run("build", [*command, "--separator", separator, "--output", str(tmp_path / "e" / separator.strip())]) == 0
        tables.append(open_entities(tmp_path / "e" / separator.strip()).table.tensor())
    assert not torch.allclose(*tables)
    question = Encoder.from_pretrained(imported)  # a model folder's own encoder
    assert torch.equal(
        question.transformer.embeddings.word_embeddings.weight,
        ELQ.from_pretrained(imported).encoder.transformer.embeddings.word_embeddings.weight,
    )


def test_the_score_mode_reaches_the_batches(imported, labelled, tmp_path):
    """Only in score mode elq, [CLS] and [SEP] are spans in the loss, and questions are cut."""
    seen = {}
    for mode in ("elq", "candidates"):
        data = ELQCLI(values(imported, labelled, score_mode=mode), run=False).datamodule
        seen[mode] = data.settings.longest_question
    assert seen == {"elq": 12, "candidates": None}
    linker = Linker.from_pretrained(imported)
    batch = Collator(linker.tokenizer, {}, max_span_tokens=5)([Question("1", f"who is the paris of{' the' * 40}?")])
    assert batch.tokens.ids.shape[1] == 32
    assert batch.tokens.text_mask.all()


def test_hard_negatives_are_a_knob_of_the_released_losses(imported, labelled, tmp_path):
    """Without hard negatives, the loss is a softmax over the batch, and with them a binary loss. Both equal a slow oracle."""
    torch.manual_seed(0)
    table = torch.randn(12, 8)
    vectors = torch.randn(5, 8)
    gold = torch.tensor([3, 7, -1, 3, 9])
    nearest = torch.tensor([[1, 3, 2], [5, 6, 8], [0, 1, 2], [3, 4, -1], [1, 0, 2]])
    question = torch.tensor([0, 0, 2, 2, 2])  # the one without an entity shares a question with others
    nearest[2, 1] = -1  # and lacks a neighbour, which is no hit
    linked = [m for m in range(5) if gold[m] >= 0]
    total, number = released_in_batch_loss(vectors, gold, table[gold[linked]])
    slow = sum(
        functional.cross_entropy(torch.stack([vectors[m] @ table[gold[o]] for o in linked]), torch.tensor(place))
        for place, m in enumerate(linked)
    )
    torch.testing.assert_close((total, number), (slow, torch.tensor(4)))
    pairs = [(vectors[m] @ table[gold[m]], 1.0) for m in linked]
    for m in linked:
        for k in range(3):
            deleted = any(nearest[o, k] == gold[o] for o in linked if question[o] == question[m])
            if not deleted and nearest[m, k] >= 0:
                pairs.append((vectors[m] @ table[nearest[m, k]], 0.0))
    scores, targets = torch.stack([score for score, _ in pairs]), torch.tensor([target for _, target in pairs])
    slow = functional.binary_cross_entropy_with_logits(scores, targets, reduction="sum")
    rows = table[gold.clamp_min(0)], table[nearest.clamp_min(0)]
    total, number = released_loss(vectors, gold, question, rows[0], nearest, rows[1])
    torch.testing.assert_close((total, number), (slow, torch.tensor(len(pairs))))
    losses = []
    for negatives in (0, 4):
        run_folder = tmp_path / str(negatives)
        fit(values(imported, labelled, hard_negatives=negatives), run_folder)
        losses.append((run_folder / "metrics.csv").read_text())
        assert yaml.safe_load((run_folder / "config.yaml").read_text())["model"]["hard_negatives"] == negatives
    assert losses[0] != losses[1]


def test_counting_by_a_common_subsequence_and_one_to_one_differ():
    """Two mentions, one inside the other, and two links whose order differs from that of the mentions."""
    question = Question("1", "new york city hall", (Mention(0, 18, "Q1"), Mention(4, 13, "Q2")))
    links = [Link(0, 3, "new", "Q1", "", "", 0.0), Link(9, 18, "city hall", "Q2", "", "", 0.0)]
    assert count(question, links)["weak"].correct == 2
    assert released_counts(question, links, 18)["weak"].correct == 1
    assert released_counts(question, links, 18)["strong"].correct == 0
    straight = Question("2", "new york city hall", (Mention(0, 8, "Q1"), Mention(9, 13, "Q2")))
    assert released_counts(straight, links, 18)["weak"] == count(straight, links)["weak"] == (2, 2, 2)
    assert released_counts(straight, links, 8)["window_weak"] == (1, 2, 1)  # the second mention lies behind what was read


def test_the_released_counting_stands_beside_ours_in_score_mode_elq_only(imported, labelled):
    questions = read_questions(labelled, open_entities(imported / ENTITIES).catalogue)
    released, ours = (Linker.from_pretrained(imported, scoring=mode) for mode in ("elq", "candidates"))
    assert {"released_weak_f1", "released_window_strong_recall"} <= evaluate(released, questions).keys()
    assert not any(name.startswith("released") for name in evaluate(ours, questions))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label_id": [40]}, "label_id 40 is not a row of the catalogue, which has 40 entities"),
        ({"label_id": ["Q1"]}, "label_id 'Q1' is not a row"),
        ({"label_id": [1, 2]}, "but both must be lists of the same length"),
        ({"mentions": [11]}, "a mention is 11, but must be [start, end] in characters"),
        ({"mentions": [[11, 99]]}, "is empty or outside the text"),
    ],
)
def test_bad_released_questions_are_told_with_their_line(change, said, imported, tmp_path):
    record = {"id": "q", "text": "who is the paris", "mentions": [[11, 16]], "label_id": [0]}
    path = write_lines(tmp_path / "q.jsonl", [record, {**record, **change}])
    catalogue = open_entities(imported / ENTITIES).catalogue
    with pytest.raises(ElqError) as error:
        read_questions(path, catalogue)
    assert str(error.value).startswith(f"{path}, line 2: ")
    assert said in str(error.value)
    with pytest.raises(ElqError, match="label_id is a row of a catalogue, but no catalogue was given"):
        read_questions(path)


def test_a_released_question_without_an_entity_is_one_outside_the_catalogue(imported, tmp_path):
    record = {"text": "who is the paris", "mentions": [[11, 16]], "label_id": [-1]}
    [question] = read_questions(write_lines(tmp_path / "q.jsonl", [record]), open_entities(imported / ENTITIES).catalogue)
    assert question == Question("1", "who is the paris", (Mention(11, 16, None),))
