"""The sweep in training: batches, merged states and processes give the same result as one sweep over all questions."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings

from elq.errors import ElqError
from elq.evaluation.sweep import Threshold, ThresholdSweep
from elq.training.shared_metrics import SharedSweep
from tests.evaluation.test_counting import ONE, Pairs, fed, link, many_pairs

approx = pytest.approx


@given(many_pairs, many_pairs)
@settings(max_examples=40, deadline=None)
def test_merged_and_batched_states_equal_one_plain_sweep_over_all(left: Pairs, right: Pairs) -> None:
    plain = fed(ThresholdSweep(), left + right)
    merged = fed(SharedSweep(), left)
    merged.merge_state(fed(SharedSweep(), right))
    assert merged.compute() == approx(plain.compute())
    batched = fed(fed(SharedSweep(), left), right)
    assert (batched.compute(), batched.curve()) == (plain.compute(), plain.curve())
    called = SharedSweep()
    assert [called([gold for gold, _ in some], [found for _, found in some]) for some in (left, right)] == [
        approx(fed(ThresholdSweep(), some).compute()) for some in (left, right)
    ]
    assert called.compute() == approx(plain.compute())
    called.reset()
    assert (called.curve(), int(called.gold)) == ([], 0)


@pytest.mark.parametrize("objective", ["set_in_catalogue", "strong"])
@given(pairs=many_pairs)
@settings(max_examples=30, deadline=None)
def test_it_chooses_by_objective_slack_and_depth_as_the_plain_one(objective: str, pairs: Pairs) -> None:
    for rule in ((objective,), (objective, 0.3), (objective, 0.3, 0.5), (objective, 0.3, 1.0)):
        assert fed(SharedSweep(*rule), pairs).compute() == fed(ThresholdSweep(*rule), pairs).compute()


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
def test_a_sweep_of_nothing_is_zero() -> None:
    for sweep in (SharedSweep(), fed(SharedSweep(), [])):
        assert (sweep.compute(), sweep.curve()) == (Threshold(threshold=-4.5, f1=0.0, precision=0.0, recall=0.0), [])


def test_bad_input_is_refused() -> None:
    with pytest.raises(ElqError, match="2 questions but 1 lists of links"):
        SharedSweep().update([ONE, ONE], [[]])
    with pytest.raises(ElqError, match="the objective is 'typo', but must be one of set_in_catalogue"):
        SharedSweep("typo")


def in_a_process(rank: int, folder: Path) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=3)
    sweep = SharedSweep()
    pairs = [(ONE, [link(0, 3, "Q1", -1.0), link(4, 9, "Q2", -3.0)]), (ONE, [link(0, 3, "Q1", -2.0)])]
    for pair in pairs[rank : rank + 1]:  # the third process never sees a question
        fed(sweep, [pair])
    with sweep.sync_context():
        curve = sweep.curve()
    (folder / f"{rank}.json").write_text(json.dumps([sweep.compute(), curve]))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_processes_reduce_to_one_result(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(in_a_process, (tmp_path,), nprocs=3)
    results = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert results[0] == results[1] == results[2]
    sweep, curve = results[0]
    assert sweep == [-2.5, 1.0, 1.0, 1.0]
    assert [cut[0] for cut in curve] == [-1.5, -2.5, -3.001]
