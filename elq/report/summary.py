"""Summary: describes the quality of a linker in a few sentences with figures."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from elq.evaluation.intervals import Interval, Ratio
from elq.report.buckets import Error
from elq.report.wording import number

Ratios = Mapping[str, Ratio]  # name of a metric → its ratio, see elq/evaluation/evaluate.py

REASONS = {  # why a gold mention is lost, see elq/report/buckets.py
    "missed": "there is no link",
    "boundary": "the entity is right, but the span is not",
    "same_name": "another entity of the same name is linked",
    "other_name": "an entity of another name is linked",
}
KNOWN = "set_in_catalogue"
UNMENTIONED = "false_links_per_unmentioned_question"


def counted(count: int, one: str, many: str) -> str:
    """A number with its noun.

    >>> counted(1, "link", "links"), counted(1200, "link", "links")
    ('1 link', '1,200 links')
    """
    return f"{count:,} {one if count == 1 else many}"


def sums(ratio: Ratio) -> tuple[int, int]:
    """The numerator and the denominator of a ratio, summed over the questions."""
    return int(ratio.top.sum()), int(ratio.bottom.sum())


def share(ratio: Ratio) -> str:
    """A ratio as a number; a dash if it is undefined."""
    top, bottom = ratio.top.sum(), ratio.bottom.sum()
    return number(top / bottom if bottom else math.nan)


def quality(ours: Ratios) -> str:
    """The sentence about links in questions whose main entity is in the catalogue."""
    known, everyone = int(ours[f"{KNOWN}_macro_f1"].bottom.sum()), len(ours[f"{KNOWN}_macro_f1"].bottom)
    if not known:
        return f"Of {counted(everyone, 'question', 'questions')} none has its main entity in the catalogue."
    recall, precision, f1 = (ours[f"{KNOWN}_micro_{name}"] for name in ("recall", "precision", "f1"))
    (found, gold), (right, linked) = sums(recall), sums(precision)
    questions = f"Of {counted(everyone, 'question', 'questions')}, {known:,} {'has its' if known == 1 else 'have their'}"
    finds = f"{found:,} of {counted(gold, 'gold entity', 'gold entities')} (recall {share(recall)})"
    if not linked:
        return f"{questions} main entity in the catalogue. There the model links nothing."
    links = f"{right:,} of the {linked:,} entities that it links are right (precision {share(precision)})"
    return f"{questions} main entity in the catalogue. There the model finds {finds}, and {links}. F1 is {share(f1)}."


def against_baseline(theirs: Ratios, difference: Interval) -> str:
    """The sentence that compares the model with the dictionary on the same questions.

    Args:
        theirs: the ratios of the dictionary.
        difference: F1 of the model minus F1 of the dictionary, see ``quality``; NaN if it is undefined.
    """
    f1 = share(theirs[f"{KNOWN}_micro_f1"])
    own = f"The dictionary, which links the longest name in a question to the lowest id, has F1 {f1}."
    value, low, high = difference
    if low <= 0 <= high:
        bounds = f"{number(low, sign=True)} to {number(high, sign=True)}"
        return f"{own} The difference, {number(value, sign=True)} (95% interval {bounds}), may be chance."
    low, high = sorted((abs(low), abs(high)))
    word = "better" if value > 0 else "worse"
    return f"{own} The model is {word} by {number(abs(value))} (95% interval {number(low)} to {number(high)})."


def false_links(ours: Ratios, theirs: Ratios | None) -> str:
    """The sentence about links in questions without a mention."""
    links, questions = sums(ours[UNMENTIONED])
    made = f"the model makes {counted(links, 'link', 'links')}"
    if theirs is not None:
        made += f", and the dictionary {sums(theirs[UNMENTIONED])[0]:,}"
    place = "question" if questions == 1 else f"{questions:,} questions"
    return f"In the {place} without a mention, where every link is false, {made}."


def losses(ours: Ratios, errors: Sequence[Error]) -> str:
    """The sentence about lost gold mentions and the reasons, the most frequent reason first."""
    right, gold = sums(ours["strong_micro_recall"])
    reasons = Counter(error.bucket for error in errors if error.lost).most_common()
    has = f"{counted(gold, 'gold mention', 'gold mentions')} {'has' if right == 1 else 'have'}"
    lost = "; ".join(f"for {count:,} {REASONS[bucket]}" for bucket, count in reasons)
    return f"{right:,} of {has} a right link with the same span.{f' Of the others: {lost}.' if reasons else ''}"


def summary(ours: Ratios, theirs: Ratios | None, difference: Interval | None, errors: Sequence[Error]) -> list[str]:
    """The sentences of the summary; a sentence without figures is left out.

    Args:
        ours: the ratios of the model.
        theirs: the ratios of the dictionary on the same questions; None without a baseline.
        difference: F1 of the model minus F1 of the dictionary.
        errors: the errors of the model, see elq/report/buckets.py.
    """
    made = [quality(ours)]
    if theirs is not None and difference is not None and not math.isnan(difference.low):
        made.append(against_baseline(theirs, difference))
    if ours["strong_micro_recall"].bottom.any():
        made.append(losses(ours, errors))
    if ours[UNMENTIONED].bottom.any():
        made.append(false_links(ours, theirs))
    return made
