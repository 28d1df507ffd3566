"""Counting: values computed by hand, slow oracles, and laws."""

import json
import math
from collections.abc import Sequence
from itertools import combinations, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elq.errors import ElqError
from elq.evaluation.counting import Counts, count
from elq.evaluation.evaluate import evaluate_links
from elq.evaluation.metrics import METRICS, question_sums, recalls_at, values_of
from elq.evaluation.sweep import Threshold, ThresholdSweep
from elq.types import Link, Mention, Question

SHARED = Path(__file__).parents[3] / "shared"
approx = pytest.approx
Pairs = list[tuple[Question, list[Link]]]


def link(start: int, end: int, entity: str, score: float = 0.0) -> Link:
    return Link(start, end, "", entity, "", "", score)


def question(*mentions: tuple[int, int, str | None], other: Sequence[str] = ()) -> Question:
    return Question("q", "the quick brown fox jumps", tuple(Mention(*mention) for mention in mentions), tuple(other))


def fed(metric, pairs: Pairs):
    metric.update([gold for gold, _ in pairs], [found for _, found in pairs])
    return metric


def measured(pairs: Pairs, threshold: float = -math.inf) -> dict[str, float]:
    kept = [(gold, [one for one in found if one.score >= threshold]) for gold, found in pairs]
    return evaluate_links([gold for gold, _ in kept], [found for _, found in kept])


def ranked(ranks: Sequence[Sequence[int]], ks: Sequence[int] = (1, 4, 10, 16, 64, 128)) -> dict[str, float]:
    """The metrics of the ranks of questions."""
    metrics = recalls_at(ks) | {name: METRICS[name] for name in ("disambiguation_accuracy", "gold_mentions")}
    return values_of(question_sums([question()] * len(ranks), [[]] * len(ranks), ranks=ranks, metrics=metrics))


# Few entities, short texts and few scores, so that agreements, overlaps and ties are frequent.
entities = st.sampled_from(["Q1", "Q2", "Q3"])
starts, widths = st.integers(0, 8), st.integers(1, 5)
scores = st.sampled_from([-0.5, -1.0, -2.0, -2.25, -7.0])
links = st.builds(lambda start, width, *rest: link(start, start + width, *rest), starts, widths, entities, scores)
mentions = st.builds(lambda start, width, entity: (start, start + width, entity), starts, widths, entities | st.none())
questions = st.builds(
    lambda found, other: question(*found, other=other), st.lists(mentions, max_size=3), st.lists(entities, max_size=2)
)
many_pairs = st.lists(st.tuples(questions, st.lists(links, max_size=4)), max_size=6)

ONE, TWO = question((0, 3, "Q1")), question((4, 9, "Q1"), (16, 19, "Q2"))
NIL, NOTHING = question((4, 9, None), (16, 19, "Q2")), question()
NEAR, FAR = question((0, 9, "Q1")), question((0, 3, "Q1"), (4, 9, "Q1"))
BY_HAND = {  # question, links, task, (correct, predicted, gold)
    "strong needs the span": (TWO, [link(4, 9, "Q1"), link(10, 19, "Q2")], "strong", (1, 2, 2)),
    "strong needs the entity": (TWO, [link(4, 9, "Q2"), link(16, 19, "Q2")], "strong", (1, 2, 2)),
    "weak needs an overlap": (TWO, [link(4, 9, "Q1"), link(10, 19, "Q2"), link(20, 25, "Q2")], "weak", (2, 3, 2)),
    "weak needs the entity": (ONE, [link(0, 3, "Q2")], "weak", (0, 1, 1)),
    "touching is no overlap": (question((4, 9, "Q1")), [link(0, 4, "Q1"), link(9, 12, "Q1")], "weak", (0, 2, 1)),
    "weak is one to one": (NEAR, [link(0, 3, "Q1"), link(4, 9, "Q1")], "weak", (1, 2, 1)),
    "weak beats the greedy": (FAR, [link(0, 9, "Q1"), link(0, 2, "Q1")], "weak", (2, 2, 2)),
    "mention ignores the entity": (TWO, [link(4, 9, "Q7"), link(10, 19, "Q2")], "mention", (1, 2, 2)),
    "NIL is a gold span": (NIL, [link(4, 9, "Q1"), link(16, 19, "Q2")], "mention", (2, 2, 2)),
    "NIL is no gold for strong": (NIL, [link(4, 9, "Q1"), link(16, 19, "Q2")], "strong", (1, 2, 1)),
    "NIL is no gold for weak": (NIL, [link(4, 9, "Q1"), link(16, 19, "Q2")], "weak", (1, 2, 1)),
    "NIL is no gold for sets": (NIL, [link(4, 9, "Q1"), link(16, 19, "Q2")], "set_all", (1, 2, 1)),
    "sets ignore spans": (TWO, [link(0, 2, "Q1"), link(20, 25, "Q1")], "set_all", (1, 1, 2)),
    "sets hold other entities": (question((4, 9, "Q1"), other=["Q2", "Q1"]), [link(0, 3, "Q2")], "set_all", (1, 1, 2)),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_counts_by_hand(case: str) -> None:
    gold, found, task, expected = BY_HAND[case]
    assert count(gold, found)[task] == Counts(*expected)


def test_micro_and_macro_by_hand() -> None:
    found = measured([(TWO, [link(4, 9, "Q1")]), (ONE, [link(0, 3, "Q1"), link(4, 9, "Q3")])])
    assert [found[f"strong_micro_{name}"] for name in ("precision", "recall", "f1")] == approx([2 / 3, 2 / 3, 2 / 3])
    assert [found[f"strong_macro_{name}"] for name in ("precision", "recall", "f1")] == approx([3 / 4, 3 / 4, 2 / 3])


@pytest.mark.parametrize(
    ("pairs", "macro"),
    [
        ([(NOTHING, [])], 1.0),
        ([(NOTHING, [link(0, 3, "Q1")])], 0.0),
        ([(ONE, [])], 0.0),
        ([(NOTHING, []), (ONE, [])], 0.5),
    ],
)
def test_macro_of_questions_with_an_empty_side(pairs: Pairs, macro: float) -> None:
    found = measured(pairs)
    assert [found[f"strong_macro_{name}"] for name in ("precision", "recall", "f1")] == [macro] * 3


def test_groups_follow_the_first_mention() -> None:
    pairs = [(question((0, 3, "Q1"), (4, 9, None)), [link(0, 3, "Q1")]), (NIL, []), (NOTHING, [link(0, 3, "Q3")])]
    found = measured(pairs)
    assert [found[f"questions{name}"] for name in ("", "_in_catalogue", "_out_of_catalogue", "_unmentioned")] == [3, 1, 1, 1]
    assert found["set_in_catalogue_micro_f1"] == 1.0
    assert found["set_out_of_catalogue_micro_recall"] == 0.0
    assert [found["set_all_micro_precision"], found["set_all_micro_recall"]] == [0.5, 0.5]


def test_main_entity_recall_looks_at_the_first_mention_only() -> None:
    found = [[link(10, 15, "Q1")], [link(4, 9, "Q1")], [link(16, 19, "Q2")]]
    assert measured([*((TWO, some) for some in found), (NIL, [])])["main_entity_recall"] == approx(2 / 3)


def test_false_links_are_counted_where_there_is_no_mention() -> None:
    pairs = [(NOTHING, [link(0, 3, "Q1"), link(4, 9, "Q1"), link(0, 2, "Q2")]), (NOTHING, []), (ONE, [link(0, 1, "Q5")])]
    assert measured(pairs)["false_links_per_unmentioned_question"] == 1.5
    assert measured(pairs)["questions_unmentioned"] == 2.0


def test_ranks_by_hand() -> None:
    recalls = {"candidate_recall@1": 2 / 8, "candidate_recall@4": 3 / 8, "candidate_recall@10": 5 / 8}
    assert ranked([[0, 3, 4, -1], [0, 9, 10, 500]], ks=(4, 10)) == {
        **recalls,
        "disambiguation_accuracy": 2 / 8,
        "gold_mentions": 8.0,
    }


def test_sweep_by_hand() -> None:
    sweep = fed(ThresholdSweep(), [(TWO, [link(0, 3, "Q1", -1.0), link(4, 9, "Q3", -2.0), link(10, 15, "Q2", -4.0)])])
    assert sweep.compute() == approx(Threshold(threshold=-4.001, f1=0.8, precision=2 / 3, recall=1.0))
    wrong = [link(10, 15, "Q5", -3.0), link(16, 19, "Q6", -3.5)]
    fed(sweep, [(TWO, [link(0, 3, "Q1", -1.5), link(4, 9, "Q2", -1.25), *wrong])])
    # Kept at -1.5: three, all right, of four gold. The next lower score is -2.
    assert sweep.compute() == approx(Threshold(threshold=-1.75, f1=6 / 7, precision=1.0, recall=0.75))
    assert [cut.threshold for cut in sweep.curve()] == [-1.125, -1.375, -1.75, -2.5, -3.25, -3.75, -4.001]


def test_sweep_takes_the_highest_of_equal_thresholds() -> None:
    found = [link(0, 1, "Q1", -1.0), link(1, 2, "Q7", -2.0), link(2, 3, "Q8", -3.0), link(3, 4, "Q2", -4.0)]
    sweep = fed(ThresholdSweep(), [(TWO, found)])
    assert [cut.f1 for cut in sweep.curve()] == approx([2 / 3, 1 / 2, 2 / 5, 2 / 3])
    assert sweep.compute().threshold == -1.5


def test_sweep_with_slack_takes_the_threshold_so_deep_among_those_that_are_nearly_as_good() -> None:
    found = [link(0, 1, "Q1", -1.0), link(1, 2, "Q7", -2.0), link(2, 3, "Q8", -3.0), link(3, 4, "Q2", -4.0)]
    # F1 2/3 at -1.5, 1/2 at -2.5, 2/5 at -3.5, 2/3 at -4.001
    for slack, depth, threshold in (
        (0.0, 1.0, -4.001),
        (0.16, 0.4, -1.5),
        (0.17, 0.4, -2.5),
        (0.27, 0.7, -3.5),
        (0.27, 1, -4.001),
    ):
        assert fed(ThresholdSweep(slack=slack, depth=depth), [(TWO, found)]).compute().threshold == threshold
    for slack, threshold in ((0.0, -1.5), (0.16, -1.5), (0.17, -2.5), (0.27, -3.001)):
        assert fed(ThresholdSweep(slack=slack, depth=1.0), [(TWO, found[:3])]).compute().threshold == threshold
    assert fed(ThresholdSweep(slack=0.5), [(ONE, [link(0, 3, "Q2", -1.0)])]).compute() == Threshold()


def test_sweep_counts_an_entity_once_with_its_best_score_and_leaves_nil_questions_out() -> None:
    pairs = [(FAR, [link(4, 9, "Q1", -1.0), link(0, 3, "Q1", -5.0)]), (NIL, [link(4, 9, "Q2", -0.5)]), (NOTHING, [])]
    assert fed(ThresholdSweep(), pairs).curve() == [Threshold(threshold=-1.001, f1=1.0, precision=1.0, recall=1.0)]


def test_sweep_bears_wrong_links_only_and_an_infinitely_bad_score() -> None:
    assert fed(ThresholdSweep(), [(ONE, [link(0, 3, "Q2", -1.0)])]).compute() == Threshold()
    found = [link(0, 3, "Q1", -1.0), link(4, 9, "Q2", -math.inf)]
    assert fed(ThresholdSweep(), [(ONE, found)]).compute() == Threshold(-1.001, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("rounds", [0, 1])
def test_metrics_of_nothing_are_zero(rounds: int) -> None:
    sweep = ThresholdSweep()
    for _ in range(rounds):
        fed(sweep, [])
    assert {*measured([]).values(), *ranked([]).values(), *ranked([[]]).values()} == {0.0}
    assert (sweep.compute(), sweep.curve()) == (Threshold(threshold=-4.5, f1=0.0, precision=0.0, recall=0.0), [])


@pytest.mark.parametrize("measure", [evaluate_links, ThresholdSweep().update])
def test_unequal_lengths_are_refused(measure) -> None:
    with pytest.raises(ElqError, match="2 questions but 1 lists of links"):
        measure([ONE, ONE], [[]])


@pytest.mark.parametrize("ks", [(), (0, 4)])
def test_senseless_ks_are_refused(ks: tuple[int, ...]) -> None:
    with pytest.raises(ElqError, match=r"recall is asked for at \["):
        recalls_at(ks)


@given(questions, st.lists(links, max_size=4))
def test_weak_equals_the_slow_oracle_and_is_at_least_strong(gold: Question, predicted: list[Link]) -> None:
    real = [mention for mention in gold.mentions if mention.entity is not None]
    size = min(len(real), len(predicted))
    tries = (zip(some, order, strict=True) for some in combinations(real, size) for order in permutations(predicted, size))

    def fits(mention: Mention, one: Link) -> bool:
        shared = set(range(mention.start, mention.end)) & set(range(one.start, one.end))
        return bool(shared) and mention.entity == one.entity

    counts = count(gold, predicted)
    assert counts["weak"].correct == max((sum(fits(*pair) for pair in attempt) for attempt in tries), default=0)
    assert counts["weak"].correct >= counts["strong"].correct
    assert counts["weak"][1:] == counts["strong"][1:]


@given(many_pairs, st.randoms())
def test_the_order_of_the_questions_changes_nothing(pairs: Pairs, random) -> None:
    other = random.sample(pairs, len(pairs))
    assert fed(ThresholdSweep(), other).compute() == approx(fed(ThresholdSweep(), pairs).compute())
    assert measured(other) == approx(measured(pairs))


@given(st.lists(st.lists(mentions, max_size=3), min_size=1, max_size=6))
def test_a_perfect_prediction_gives_one(all_mentions: list[list[tuple[int, int, str | None]]]) -> None:
    pairs = [(question(*some), [link(*one) for one in some if one[2] is not None]) for some in all_mentions]
    found, linkable = measured(pairs), any(links for _, links in pairs)
    for task in ("strong", "weak", "set_all"):
        assert [found[f"{task}_macro_f1"], found[f"{task}_micro_f1"]] == [1.0, float(linkable)]
    assert found["main_entity_recall"] == found["set_in_catalogue_micro_f1"] == float(found["questions_in_catalogue"] > 0)


@given(many_pairs, many_pairs)
def test_batches_equal_one_sweep_over_all(left: Pairs, right: Pairs) -> None:
    whole, batched = fed(ThresholdSweep(), left + right), fed(fed(ThresholdSweep(), left), right)
    assert (batched.compute(), batched.curve()) == (whole.compute(), whole.curve())


@given(many_pairs)
def test_the_sweep_equals_brute_force(pairs: Pairs) -> None:
    def at(threshold: float) -> list[float]:
        found = measured(pairs, threshold)
        return [found[f"set_in_catalogue_micro_{name}"] for name in ("f1", "precision", "recall")]

    sweep = fed(ThresholdSweep(), pairs)
    tried = {score: at(score)[0] for score in sorted({one.score for _, found in pairs for one in found}, reverse=True)}
    best = sweep.compute()
    assert best.f1 == approx(max(tried.values(), default=0.0))
    if best.f1:
        assert best.threshold < next(score for score, f1 in tried.items() if f1 == approx(best.f1))
    for cut in (*sweep.curve(), *([best] if best.f1 else [])):
        assert cut[1:] == approx(at(cut.threshold))


@given(many_pairs, st.floats(0, 0.5), st.floats(0, 1))
def test_a_choice_with_slack_equals_brute_force(pairs: Pairs, slack: float, depth: float) -> None:
    chosen, curve = fed(ThresholdSweep(slack=slack, depth=depth), pairs).compute(), fed(ThresholdSweep(), pairs).curve()
    best = max((cut.f1 for cut in curve), default=0.0)
    good = [cut for cut in curve if cut.f1 > 0 and cut.f1 >= best - slack]
    if not good:
        assert chosen == Threshold()
        return
    assert chosen in good
    lowest, highest = min(cut.threshold for cut in good), max(cut.threshold for cut in good)
    distances = [abs(cut.threshold - (highest * (1 - depth) + lowest * depth)) for cut in good]
    assert distances[good.index(chosen)] == approx(min(distances))


@given(many_pairs, st.floats(-8, 0), st.floats(-8, 0))
def test_a_higher_threshold_never_raises_recall(pairs: Pairs, one: float, two: float) -> None:
    low, high = measured(pairs, min(one, two)), measured(pairs, max(one, two))
    assert all(high[name] <= low[name] for name in low if "micro_recall" in name or name == "main_entity_recall")


@given(st.lists(st.integers(-1, 200), max_size=30))
def test_candidate_recall_is_the_share_of_ranks_below_k(ranks: list[int]) -> None:
    for k in (1, 4, 10, 16, 64, 128):
        share = sum(0 <= rank < k for rank in ranks) / max(len(ranks), 1)
        assert ranked([ranks])[f"candidate_recall@{k}"] == approx(share)


def test_two_questions_by_hand() -> None:
    linking = measured([(ONE, [link(0, 3, "Q1", -1.0), link(4, 9, "Q2", -3.0)]), (ONE, [link(0, 3, "Q1", -2.0)])])
    assert [linking["questions"], linking["strong_micro_f1"], linking["strong_macro_f1"]] == approx([2, 4 / 5, 5 / 6])
    ranks = ranked([[0], [1]], ks=(1,))
    assert ranks == {"candidate_recall@1": 0.5, "disambiguation_accuracy": 0.5, "gold_mentions": 2.0}


@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "reference_elq").is_dir(), reason="the shared data folder is not there")
def test_counts_equal_the_released_counting() -> None:
    folder = SHARED / "reference_elq"
    expected = json.loads((folder / "metrics.json").read_text())
    predictions = json.loads((folder / "predictions.json").read_text())["flat_mid"]["predictions"]
    triples, pairs = {record["id"]: record["pred_triples"] for record in predictions}, []
    for record in map(json.loads, (folder / "labelled.jsonl").read_text().splitlines()):
        gold = zip(record["tokenized_mention_idxs"], record["label_id"], strict=True)  # token spans do as well as characters
        links = [link(start, end, row) for row, start, end in triples[record["id"]]]
        pairs.append((question(*((*span, str(row)) for span, row in gold)), links))
    sums = question_sums([gold for gold, _ in pairs], [found for _, found in pairs])
    strong, weak = ([*sums[f"{task}_micro_precision"], sums[f"{task}_micro_recall"].bottom] for task in ("strong", "weak"))
    totals = [column.sum() for column in strong]
    assert totals == [expected["num_correct_strong"], expected["num_predicted"], expected["num_gold"]]
    assert weak[0].sum() == expected["num_correct_weak"]
