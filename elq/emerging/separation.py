"""Separation: which score of a linker tells mentions without an entity from mentions with one.

The mentions are given. Thresholds are chosen on one half of the questions, and every figure is measured on the other half.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from elq.emerging.lda import Topics
from elq.errors import ElqError
from elq.evaluation.counting import Counts
from elq.evaluation.reliability import auroc
from elq.evaluation.sweep import between
from elq.linking.linker import Linker
from elq.progress import track
from elq.tensors import Array
from elq.types import Link, Question

CHUNK = 256  # questions that are linked at a time
WAYS = {  # every score is larger for mentions that seem to have no entity
    "nil": "learned NIL: log p(NIL | mention)",
    "lda": "LDA: least KL(context ‖ candidate)",
    "link": "score of the link, negative",
    "entity": "log p(entity | mention), negative",
}


@dataclass(frozen=True, slots=True)
class GivenScores:
    """The scores of M gold mentions by several ways, and which of them have no entity."""

    scores: Mapping[str, Array]  # way → (M,) float64; larger for mentions that seem to have no entity
    without: Array  # (M,) bool: the mention has no entity in the catalogue
    first: Array  # (M,) bool: its question is in the half on which thresholds are chosen


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one score finds the mentions without an entity in the half of the questions that chose no threshold."""

    auroc: float
    threshold: float  # least score of a mention that counts as one without an entity
    precision: float
    recall: float
    f1: float
    mentions: int
    without: int


def in_first_half(identity: str) -> bool:
    """Whether a question with this id is in the half on which thresholds are chosen; it does not depend on the other questions.

    >>> [in_first_half(identity) for identity in ("1", "2", "3", "4")]
    [True, False, True, True]
    """
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()[0] < 128


def given_scores(linker: Linker, questions: Sequence[Question], topics: Topics | None = None) -> GivenScores:
    """Score the gold mentions of questions by every way that the linker has.

    A mention without a letter or a digit is left out, since a model cannot read it.

    Args:
        linker: the linker.
        questions: annotated questions; a mention whose entity is None has no entity in the catalogue.
        topics: the topics of the catalogue; None: there is no way ``lda``.
    """
    links, contexts, without, first = [], [], [], []
    chosen = [(question, [m for m in question.mentions if _readable(question.text, m.start, m.end)]) for question in questions]
    for start in track(range(0, len(chosen), CHUNK), "linking given mentions"):
        chunk = [(question, mentions) for question, mentions in chosen[start : start + CHUNK] if mentions]
        found = linker.link([question.text for question, _ in chunk], mentions=[mentions for _, mentions in chunk])
        for (question, mentions), of_question in zip(chunk, found, strict=True):
            links += of_question
            contexts += [question.text] * len(mentions)
            without += [mention.entity is None for mention in mentions]
            first += [in_first_half(question.id)] * len(mentions)
    scores = _scores_of(links)
    if topics is not None:
        known = linker.entities.catalogue.by_id({one.entity for link in links for one in link.candidates})
        scores["lda"] = topics.distances(contexts, [[known[one.entity] for one in link.candidates] for link in links])
    in_order = {way: scores[way] for way in WAYS if way in scores}
    return GivenScores(in_order, np.array(without, np.bool_), np.array(first, np.bool_))


def _readable(text: str, start: int, end: int) -> bool:
    return any(character.isalnum() for character in text[start:end])


def _scores_of(links: Sequence[Link]) -> dict[str, Array]:
    """The scores of links that are not made with NIL as a candidate."""
    scores = {
        "link": np.array([-link.score for link in links], np.float64),
        "entity": np.array([link.mention_score - link.score for link in links], np.float64),
    }
    if all(link.nil_score is not None for link in links):
        scores["nil"] = np.array([link.nil_score for link in links], np.float64)
    return scores


def best_threshold(scores: Array, without: Array) -> float:
    """The threshold with the best F1 of the mentions whose score is at least the threshold; of equal ones the highest.

    It lies in the middle between two scores.

    Args:
        scores: (M,) scores.
        without: (M,) whether each mention has no entity; at least one has none.

    >>> best_threshold(np.array([0.9, 0.8, 0.4, 0.1]), np.array([True, True, False, False]))
    0.6000000000000001
    """
    order = np.argsort(-scores, kind="stable")
    ordered, right = scores[order], without[order].cumsum()  # (M,), (M,) right ones among the first m
    f1 = 2 * right / (np.arange(1, len(ordered) + 1) + right[-1])  # (M,)
    ends = np.append(ordered[1:] < ordered[:-1], True)  # (M,) where the score after it is lower
    best = int(np.where(ends, f1, -1.0).argmax())
    if best + 1 == len(ordered) or not np.isfinite(ordered[best : best + 2]).all():
        return float(ordered[best])
    return between(float(ordered[best + 1]), float(ordered[best]))


def separate(given: GivenScores) -> dict[str, Separation]:
    """How well each way finds the mentions without an entity: thresholds from the first half, figures of the second.

    Raises:
        ElqError: a half has no mention without an entity, or none with one.
    """
    for half, name in ((given.first, "first"), (~given.first, "second")):
        without = int(given.without[half].sum())
        if not without or without == half.sum():
            raise ElqError(
                f"the {name} half of the questions has {without} mentions without an entity and {int(half.sum()) - without}"
                " with one, but both halves need both kinds: give more questions, with mentions whose entity is null"
            )
    return {way: _separation(scores, given) for way, scores in given.scores.items()}


def _separation(scores: Array, given: GivenScores) -> Separation:
    threshold = best_threshold(scores[given.first], given.without[given.first])
    scores, without = scores[~given.first], given.without[~given.first]  # (M,) of the second half
    found = scores >= threshold
    quality = Counts(int((found & without).sum()), int(found.sum()), int(without.sum())).quality()
    return Separation(auroc(scores, without), threshold, **quality, mentions=len(scores), without=int(without.sum()))
