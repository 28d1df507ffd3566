"""Scoring: pure functions for the joint score of a link.

A link's score is log p(mention) + log p(entity | mention) (Li et al. 2020, section 3.3), a natural logarithm. The *score mode*
says over which entities p(entity | mention) is normalised:

- ``candidates``: softmax over the K retrieved candidates, as in the paper. The score depends on K, and so does a threshold.
- ``table``: softmax over all N entities of the table. It depends on neither K nor the index, but it needs the exact index.
- ``shortlist``: softmax over all N entities, estimated, for any index. The scores of a shortlist are summed exactly: of the 256
  nearest entities, and of those that the mention's name may mean. The sum over all others is estimated from a sample of the
  table (elq/search/normaliser.py). A threshold and a calibration of ``table`` hold for it too.
- ``elq``: like ``candidates``, but questions are read as the released ELQ reads them: they are cut after 32 tokens, and [CLS]
  and [SEP] may be part of a mention. With the released weights it gives the released numbers.
"""

import logging

import torch
from torch import Tensor

from elq.errors import ElqError
from elq.search.index import EntityIndex

log = logging.getLogger(__name__)

SCORE_MODES = ("candidates", "table", "shortlist", "elq")
OVER_ALL = ("table", "shortlist")  # their scores are over all entities: so they do not depend on K, and are on one scale


def check_score_mode(mode: str, *, names: bool = False) -> None:
    """Raise an ElqError for an unknown score mode, and for the mode ``elq`` (which ignores names) if the model uses names."""
    if mode not in SCORE_MODES:
        raise ElqError(f"score mode {mode!r} is unknown: choose one of {', '.join(SCORE_MODES)}")
    if names and mode == "elq":
        raise ElqError(
            'score mode "elq" cannot use names, but the model was trained with model.names=true: choose another score mode, or'
            " train a model with model.names=false"
        )


def same_scale(mode: str, other: str) -> bool:
    """Whether a threshold and a calibration that were chosen for one score mode hold for another one.

    >>> same_scale("table", "shortlist"), same_scale("table", "candidates")
    (True, False)
    """
    return mode == other or (mode in OVER_ALL and other in OVER_ALL)


def check_index(mode: str, index: EntityIndex) -> None:
    """Raise an ElqError for the mode ``table`` and an index that does not compute the scores of all entities."""
    if mode == "table" and not index.sees_all:
        raise ElqError(
            f'score mode "table" needs the scores of all entities, but the {index.kind} index computes only some of them:'
            ' choose score mode "shortlist", which estimates the others, or build the entities with `elq build --index exact`'
        )


def mode_for(mode: str, index: EntityIndex) -> str:
    """The score mode in which a model of a mode is opened: ``shortlist`` instead of ``table`` where the index asks for it."""
    if mode != "table" or index.sees_all:
        return mode
    log.warning(
        'the %s index does not compute the scores of all entities, which the score mode "table" of the model needs: score mode'
        ' "shortlist" takes its place, with the same threshold γ and probabilities',
        index.kind,
    )
    return "shortlist"


def entity_log_probs(scores: Tensor, log_normaliser: Tensor | None = None) -> Tensor:
    """log p(entity | mention) of K candidates: (Q, K) inner products → (Q, K) fp32.

    Args:
        scores: inner products, −inf where there is no candidate.
        log_normaliser: (Q,) log Σ exp over the whole table (score modes ``table`` and ``shortlist``). If it is None, the
            K candidates are normalised over.

    >>> entity_log_probs(torch.tensor([[0.0, 0.0]])).exp()
    tensor([[0.5000, 0.5000]])
    >>> entity_log_probs(torch.tensor([[0.0, 0.0]]), torch.tensor([4.0]).log()).exp()
    tensor([[0.2500, 0.2500]])
    """
    if log_normaliser is None:
        return torch.log_softmax(scores.float(), dim=-1)  # (Q, K)
    return scores.float() - log_normaliser.float().unsqueeze(-1)  # (Q, K)


def divided_by(log_probs: Tensor, scores: Tensor) -> Tensor:
    """Divide the probability that K candidates have together among them by a softmax over scores: (Q, K), (Q, K) → (Q, K).

    Args:
        log_probs: log p(entity | mention), −inf where there is no candidate.
        scores: the scores of the candidates; where there is none, they are not read.

    >>> divided_by(torch.tensor([[0.5, 0.3, 0.0]]).log(), torch.tensor([[0.0, 0.0, 9.0]])).exp()
    tensor([[0.4000, 0.4000, 0.0000]])
    """
    there = log_probs > -torch.inf  # (Q, K)
    shares = scores.masked_fill(~there, -torch.inf).log_softmax(-1)  # (Q, K), NaN in a row without candidates
    return torch.where(there, shares + log_probs.logsumexp(-1, keepdim=True), -torch.inf)  # (Q, K)


def with_name_matches(scores: Tensor, rows: Tensor, products: Tensor, matches: Tensor, bonus: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the K best among the retrieved candidates and the name matches (the entities that a mention's name may mean).

    Args:
        scores, rows: scores and catalogue rows of the retrieved candidates, (Q, K), without any bonus.
        products: inner products of the name matches, (Q, E).
        matches: catalogue rows of the name matches, (Q, E), −1 where there is none.
        bonus: the number that is added to each of their inner products, (Q, E).

    Returns:
        Scores and rows (Q, K), best first.
    """
    again = (rows.unsqueeze(-1) == matches.unsqueeze(-2)).any(-1)  # (Q, K) name matches too, which have the bonus there
    everyone = torch.cat([scores.masked_fill(again, -torch.inf), (products + bonus).masked_fill(matches < 0, -torch.inf)], -1)
    best, order = everyone.topk(rows.shape[-1], dim=-1)  # (Q, K)
    return best, torch.cat([rows, matches], -1).gather(-1, order).masked_fill(best == -torch.inf, -1)


def shortlisted(
    scores: Tensor, rows: Tensor, products: Tensor | None = None, matches: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The entities over which the score mode ``shortlist`` sums exactly: the retrieved ones and the name matches.

    Args:
        scores, rows: inner products and catalogue rows of the retrieved entities, (Q, S), best first; −inf and −1 at the end
            where fewer were found.
        products, matches: those of the name matches, (Q, E), without any bonus; −1 where there is none.

    Returns:
        Inner products and rows, (Q, S + E), each row once, and the worst inner product of the retrieved entities, (Q,).

    >>> scores, rows = torch.tensor([[3.0, 2.0]]), torch.tensor([[7, 4]])
    >>> shortlisted(scores, rows, torch.tensor([[2.0, 1.0]]), torch.tensor([[4, 9]]))[1]
    tensor([[ 7,  4, -1,  9]])
    """
    worst = scores.masked_fill(rows < 0, torch.inf).amin(-1)  # (Q,)
    if products is None or matches is None:
        return scores, rows, worst
    ordered = rows.sort(-1).values  # (Q, S)
    places = torch.searchsorted(ordered, matches.contiguous()).clamp_max(rows.shape[-1] - 1)  # (Q, E)
    others = matches.masked_fill(ordered.gather(-1, places) == matches, -1)  # (Q, E)
    return torch.cat([scores, products.masked_fill(others < 0, -torch.inf)], -1), torch.cat([rows, others], -1), worst


def with_bonus(log_normaliser: Tensor, products: Tensor, matches: Tensor, bonus: Tensor) -> Tensor:
    """log Σ exp over the whole table, (Q,), after the bonus is added; the arguments are those of :func:`with_name_matches`.

    >>> products, bonus = torch.tensor([[1.0, 9.0]]), torch.tensor([[2.0, 0.0]])
    >>> with_bonus(torch.tensor([1.0, 0.0]).logsumexp(-1, keepdim=True), products, torch.tensor([[0, -1]]), bonus)
    tensor([3.0486])
    >>> torch.tensor([3.0, 0.0]).logsumexp(-1)
    tensor(3.0486)
    """
    share = (products - log_normaliser.unsqueeze(-1)).exp().masked_fill(matches < 0, 0.0)  # (Q, E) of the old sum
    others = (1 - share.sum(-1)).clamp_min(0)  # (Q,) rounding may make the difference negative
    return log_normaliser + (others + (share * bonus.exp()).sum(-1)).log()


def with_nil(scores: Tensor, log_normaliser: Tensor | None, nil: Tensor) -> tuple[Tensor, Tensor | None]:
    """Add NIL as one more candidate to the arguments of :func:`entity_log_probs`; its scores (Q,) become the last column.

    >>> scores, normaliser = with_nil(torch.zeros(1, 2), torch.tensor([3.0]).log(), torch.tensor([2.0]).log())
    >>> entity_log_probs(scores, normaliser).exp()
    tensor([[0.2000, 0.2000, 0.4000]])
    """
    everyone = torch.cat([scores, nil.unsqueeze(-1)], -1)  # (Q, K + 1)
    return everyone, None if log_normaliser is None else torch.logaddexp(log_normaliser, nil)
