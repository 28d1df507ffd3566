"""Partially annotated questions: silver mentions (not annotated by people), and names that are not negatives."""

import copy

import pytest
import torch

from elq.names.dictionary import Dictionary
from elq.questions.silver import with_silver
from elq.tensors import Spans
from elq.training.batches import Collator, unsure_spans
from elq.training.losses import mention_loss
from elq.training.parser import ELQCLI
from elq.types import Mention, Question
from tests.conftest import write_lines


@pytest.fixture(scope="module")
def dictionary(entities):
    return Dictionary(entities.catalogue)


def test_a_further_entity_that_is_named_becomes_a_mention(dictionary):
    text = "who sang queen in the ship film about paris"
    question = Question("1", text, (Mention(9, 14, "Q15862"),), ("Q44578", "Q116", "Q90", "Q1471"))
    [silver] = with_silver([question], dictionary)
    assert [(text[m.start : m.end], m.entity) for m in silver.mentions] == [
        ("queen", "Q15862"),
        ("the ship film", "Q44578"),  # by its alias
        ("paris", "Q90"),
    ]  # Q116 is a queen too, but that name is taken; the Seine is not named
    assert with_silver([Question("2", text)], dictionary)[0].mentions == ()
    odd = Question("3", "who sang 9½ paris", (), ("Q90",))  # folding a part of "½" is not folding it within its text
    assert [mention.entity for mention in with_silver([odd], dictionary)[0].mentions] == ["Q90"]


def test_names_that_no_mention_touches_are_unsure_in_such_questions_only(dictionary, tokenizer):
    texts = ["what river is in paris texas", "what river is in paris texas"]
    tokens = tokenizer(texts)
    named = dictionary.named(texts, tokens, 3)
    start = int(tokens.text_mask[0].nonzero()[0]) + 4
    mentions = Spans(torch.tensor([0, 1]), torch.tensor([start, start]), torch.tensor([start + 1, start + 1]))
    whole = dictionary.whole_names(named)
    assert unsure_spans(whole, mentions, [False, False]) is None
    unsure = unsure_spans(whole, mentions, [True, False])
    slow = torch.zeros_like(named, dtype=torch.bool)
    for t in range(named.shape[1]):
        for length in range(3):
            apart = t + length < start or t > start
            slow[0, t, length] = bool(named[0, t, length] == 1) and apart
    assert torch.equal(unsure, slow)
    assert bool((named[0] == 1).any())


def test_the_loss_leaves_unsure_spans_out_but_never_a_gold_one():
    torch.manual_seed(0)
    logits, unsure = torch.randn(2, 4, 2), torch.zeros(2, 4, 2, dtype=torch.bool)
    logits[0, 3, 1] = -torch.inf
    gold = Spans(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    unsure[0, 1, 0] = unsure[1, 2, 1] = unsure[0, 0, 1] = True
    total, count = mention_loss(logits, gold, unsure)
    kept = [
        (b, t, n) for b in range(2) for t in range(4) for n in range(2) if (b, t, n) not in ((0, 3, 1), (1, 2, 1), (0, 0, 1))
    ]
    slow = sum(
        torch.nn.functional.binary_cross_entropy_with_logits(logits[cell], torch.tensor(float(cell == (0, 1, 0))))
        for cell in kept
    )
    torch.testing.assert_close((total, count), (slow, torch.tensor(float(len(kept)))))
    some, weight = mention_loss(logits, gold, unsure, 0.25)  # as weak negatives
    weak = [torch.nn.functional.softplus(logits[cell]) for cell in ((1, 2, 1), (0, 0, 1))]
    torch.testing.assert_close((some, weight), (slow + 0.25 * sum(weak), torch.tensor(len(kept) + 0.5)))


@pytest.mark.parametrize("names", [False, True])
def test_a_partial_source_reaches_the_batches(names, values, tmp_path):
    """The setting ``partial`` of a source, with and without a model that uses names."""
    record = {"text": "is the queen in paris", "mentions": [{"start": 16, "end": 21, "entity": "Q90"}]}
    file, batches = str(write_lines(tmp_path / "q.jsonl", [record])), {}
    for partial in (False, True):
        changed = copy.deepcopy(values)
        changed["model"]["names"] = names
        changed["data"]["train"] = [{"epochs": 1, "sources": [{"file": file, "partial": partial}]}]
        data = ELQCLI(changed, run=False).datamodule
        data.prepare_data()
        data.setup("fit")
        batches[partial] = [*data.train_dataloader()]
    assert all(batch.unsure is None for batch in batches[False])
    [batch] = batches[True]
    assert int(batch.unsure.sum()) == 1  # "queen" is a name, and nobody said that it is none here
    assert (batch.tokens.named is not None) == names


def test_an_empty_share_of_partial_questions(dictionary, tokenizer):
    batch = Collator(tokenizer, {}, max_span_tokens=3, dictionary=dictionary, names=False)([])
    assert batch.unsure is None
