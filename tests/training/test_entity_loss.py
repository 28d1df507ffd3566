"""The strategies of the disambiguation loss: what the objects hold, and that one process has the whole table."""

import pytest
import torch

from elq.errors import ElqError
from elq.tensors import Batch, Spans, TokenBatch
from elq.training.entity_loss import make_entity_loss
from elq.training.processes import Processes
from elq.training.settings import LOSSES, LossSettings

CPU = torch.device("cpu")


@pytest.fixture
def mentions(entities):
    torch.manual_seed(0)
    gold, spans = torch.tensor([0, 4, -1, 4]), Spans(torch.arange(4), *torch.ones(2, 4))
    return torch.randn(4, entities.table.width), Batch(TokenBatch(*torch.zeros(3, 1, 1), ()), spans, gold, ())


def test_one_process_has_the_whole_table_however_it_is_shared(entities, mentions):
    losses = [make_entity_loss(LossSettings(table_sharding=shared)) for shared in (False, True)]
    for loss in losses:
        loss.prepare(entities, CPU, Processes())
    first, second = (loss(*mentions) for loss in losses)
    assert first == second
    assert first[1] == 3


@pytest.mark.parametrize("kind", LOSSES)
def test_what_is_prepared_is_released(kind, entities, mentions):
    loss = make_entity_loss(LossSettings(loss=kind, hard_negatives=2))
    before = {key: value for key, value in vars(loss).items() if torch.is_tensor(value)}
    loss.prepare(entities, CPU, Processes(), half=True)
    assert torch.isfinite(loss(*mentions)[0])
    assert any(torch.is_tensor(value) for value in vars(loss).values()) == (kind != "released")
    loss.release()
    assert {key: value for key, value in vars(loss).items() if torch.is_tensor(value)} == before == {}


def test_an_unknown_strategy_is_one_sentence():
    with pytest.raises(ElqError, match=r"is 'some', but must be one of table, sampled, released"):
        LossSettings(loss="some")
