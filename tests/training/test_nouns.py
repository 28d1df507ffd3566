"""Generic nouns of questions: found as a slow search finds them, and negatives with a weight of their own."""

import copy

import pytest
import torch

from elq.linking.concepts import is_concept, is_lower
from elq.names.words import folded
from elq.questions.silver import dictionary_of
from elq.tensors import Spans
from elq.training.losses import mention_loss
from elq.training.nouns import GenericNouns
from elq.training.parser import ELQCLI
from elq.training.processes import Processes
from elq.types import Entity
from tests.conftest import write_lines

RECORDS = [
    Entity("Q1", "Paris", "Paris", "city"),
    Entity("Q2", "Queen", "queen", "title"),
    Entity("Q3", "Queen (band)", "Queen", "band"),
    Entity("Q4", "River", "river"),
    Entity("Q5", "Song (film)", "Song", "film"),
    Entity("Q6", "Song", "song"),
    Entity("Q7", "Ship film", "the ship film", "film about a ship", types=("film genre",)),
    Entity("Q8", "Capital", "Capital City", aliases=("capital",)),
]
TEXTS = ["which River is in paris queen", "Song of the ship film queen", "capital river river", "who is Queen", "Queen of song"]


def slow_spans(text: str) -> list[tuple[int, int]]:
    """Whole words that are a name whose first entity is a concept, without a capital except at the beginning."""
    starts = [0, *(place + 1 for place, letter in enumerate(text) if letter == " ")]
    ends = [*(place for place, letter in enumerate(text) if letter == " "), len(text)]
    found = []
    for start in starts:
        for end in (end for end in ends if end > start):
            words = text[start:end]
            owners = [r for r in RECORDS if folded(words) in [folded(n) for n in (r.title, r.label, *r.aliases)]]
            plain = words[0].lower() + words[1:] if start == 0 else words
            if owners and is_concept(owners[0]) and is_lower(plain):
                found.append((start, end))
    return found


def test_generic_nouns_are_found_as_by_a_slow_search():
    with dictionary_of(RECORDS) as dictionary:
        nouns = GenericNouns(dictionary.catalogue, dictionary)
        for text in TEXTS:
            assert sorted(nouns.spans(text)) == sorted(slow_spans(text)), text
        assert nouns.cased
    assert [slow_spans(text) for text in TEXTS[2:4]] == [[(8, 13), (14, 19)], []]


def test_their_spans_are_marked(tokenizer):
    with dictionary_of(RECORDS) as dictionary:
        tokens = tokenizer(TEXTS)
        marked = GenericNouns(dictionary.catalogue, dictionary).marked(TEXTS, tokens, 2)
    for b, text in enumerate(TEXTS):
        spans, inside = slow_spans(text), tokens.text_mask[b].nonzero().flatten().tolist()
        slow = [
            [
                t in inside and t + n in inside and (tokens.offsets[b][t][0], tokens.offsets[b][t + n][1]) in spans
                for n in range(2)
            ]
            for t in range(marked.shape[1])
        ]
        assert marked[b].tolist() == slow, text
    assert marked.any()


def test_the_loss_gives_them_a_weight_of_their_own_but_never_a_gold_one():
    torch.manual_seed(0)
    logits, gold = torch.randn(1, 3, 1), Spans(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    nouns, unsure = torch.tensor([[[True], [True], [False]]]), torch.tensor([[[True], [False], [True]]])
    total, weight = mention_loss(logits, gold, unsure, 0.25, nouns, 2.5)
    minus, plus, odd = logits.flatten().unbind()
    softplus = torch.nn.functional.softplus
    torch.testing.assert_close(total, 2.5 * softplus(minus) + softplus(-plus) + 0.25 * softplus(odd))
    assert weight == 2.5 + 1 + 0.25


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("weight", [0.0, 2.5])
def test_the_setting_reaches_the_batches(weight, partial, values, tmp_path):
    """The film "Song" comes first, so "song" is no generic noun here; "queen" in a mention is none either."""
    records = [
        {"id": record.id, "title": record.title, "label": record.label, "types": list(record.types)} for record in RECORDS
    ]
    catalogue = write_lines(tmp_path / "c.jsonl", records)
    question = {"text": "is the queen song in queen paris", "mentions": [{"start": 21, "end": 32, "entity": "Q1"}]}
    changed = copy.deepcopy(values)
    changed["model"] |= {"noun_weight": weight}
    file = str(write_lines(tmp_path / "q.jsonl", [question]))
    changed["data"] |= {"catalogue": str(catalogue), "entities": str(tmp_path / "entities"), "dev": file}
    changed["data"]["train"] = [{"epochs": 1, "sources": [{"file": file, "partial": partial}]}]
    data = ELQCLI(changed, run=False).datamodule
    data.prepare_data()
    data.setup("fit")
    [batch] = [*data.train_dataloader()]
    batch = batch.to("cpu")
    assert (None if batch.nouns is None else batch.nouns.sum()) == (1 if weight else None)
    assert (None if batch.unsure is None else batch.unsure.sum()) == ((1 if weight else 2) if partial else None)


def test_the_weight_changes_a_training_step(values, tmp_path):
    """With "queen" as a generic noun, a larger weight gives its span a larger share of the mention loss."""
    found = []
    for weight in (1.0, 1.0, 5.0):
        changed = copy.deepcopy(values)
        changed["model"] |= {"noun_weight": weight}
        record = {"text": "is the queen song in paris", "mentions": [{"start": 21, "end": 26, "entity": "Q1"}]}
        records = [{"id": one.id, "title": one.title, "label": one.label, "types": list(one.types)} for one in RECORDS]
        file = str(write_lines(tmp_path / "q.jsonl", [record]))
        catalogue = str(write_lines(tmp_path / "c.jsonl", records))
        changed["data"] |= {"catalogue": catalogue, "entities": str(tmp_path / "entities"), "dev": file}
        changed["data"]["train"] = [{"epochs": 1, "sources": [{"file": file}]}]
        made = ELQCLI(changed, run=False)
        module, data = made.model.eval(), made.datamodule
        data.prepare_data()
        data.setup("fit")
        module._trainer, made.trainer.datamodule = made.trainer, data
        module.setup("fit")
        module.entity_loss.prepare(data.entities, torch.device("cpu"), Processes())
        module.log_dict = lambda *_, **__: None
        with torch.no_grad():
            found.append(float(module.training_step(next(iter(data.train_dataloader())), 0)))
    assert found[0] == found[1]
    assert abs(found[0] - found[2]) > 1e-3
