"""Losses: mention detection and disambiguation (Li et al. 2020, section 3.4). Pure functions.

Each returns a sum and the number of terms in it, not their mean: where several processes share a batch, the mean is that over
all of them (elq/training/processes.py), and so the gradients are those of one process with the whole batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from elq.tensors import Spans


def mention_loss(
    logits: Tensor, gold: Spans, unsure: Tensor | None = None, unsure_weight: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of all spans of text in the batch.

    Args:
        logits: (B, T, L) mention logits, −inf where there is no span of text.
        gold: M gold mentions of at most L tokens, NIL ones included.
        unsure: (B, T, L) bool, True on spans that may be mentions that nobody annotated.
        unsure_weight: what such a span counts, as a negative.

    Returns:
        Sum and number of spans by weight, both scalars.

    >>> logits = torch.tensor([[[0.0, -torch.inf]]])
    >>> mention_loss(logits, Spans(torch.tensor([0]), torch.tensor([0]), torch.tensor([1])))
    (tensor(0.6931), tensor(1.))
    """
    targets = torch.zeros_like(logits)
    targets[gold.question, gold.start, gold.end - gold.start - 1] = 1.0  # (B, T, L)
    valid = logits > -torch.inf  # (B, T, L)
    weights = torch.ones_like(logits)  # (B, T, L)
    if unsure is not None:
        weights[unsure & (targets == 0)] = unsure_weight
    total = functional.binary_cross_entropy_with_logits(logits[valid], targets[valid], weights[valid], reduction="sum")
    return total, weights[valid].sum()


def table_loss(
    vectors: Tensor,
    gold: Tensor,
    table: Tensor,
    matches: Tensor | None = None,
    bonus: Tensor | None = None,
    nil: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy over all N entities, exact.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows; −1 (NIL) takes no part unless NIL is a candidate.
        table: (N, D) frozen entity vectors.
        matches: (M, E) rows of the entities that a mention may mean by its name, −1 behind them; None: nobody.
        bonus: (M, E) what is added to their scores, as the linker does; 0 behind them.
        nil: (M,) score of NIL as one more candidate; None: it is none.

    Returns:
        Sum over the mentions that take part, and their number, both scalars.
    """
    part = gold >= 0 if nil is None else torch.ones_like(gold, dtype=torch.bool)  # (M,)
    scores, wanted = vectors[part] @ table.T, gold[part]  # (M', N), (M',)
    if matches is not None and bonus is not None:
        scores = scores.scatter_add(1, matches[part].clamp_min(0), bonus[part])
    if nil is not None:
        scores = torch.cat([scores, nil.unsqueeze(-1)], -1)  # (M, N + 1)
        wanted = torch.where(wanted >= 0, wanted, len(table))
    return functional.cross_entropy(scores, wanted, reduction="sum"), part.sum()


def sharded_table_loss(
    vectors: Tensor, gold: Tensor, own: Tensor, shard: Tensor, gather: Callable[[Tensor], Tensor], rank: int
) -> tuple[Tensor, Tensor]:
    """:func:`table_loss` where each of W processes holds a share of the table's rows, and M mentions of its own.

    Every process scores the mentions of all processes against its rows; the log-sum-exps of the shares add up to that of the
    whole table.

    Args:
        vectors: (M, D) mention vectors of this process; M may differ between processes.
        gold: (M,) table rows; −1 (NIL) takes no part.
        own: (M, D) vectors of the gold rows; anything for NIL.
        shard: (N', D) this process's rows of the table.
        gather: stacks a tensor of one shape over the processes, (…) → (W, …), and leads gradients back to each.
        rank: number of this process among them.

    Returns:
        Sum over this process's mentions that have an entity, and their number, both scalars.
    """
    most = int(gather(torch.tensor(len(gold), device=vectors.device)).max())
    everyone = gather(functional.pad(vectors, (0, 0, 0, most - len(gold))))  # (W, M⁺, D), M⁺ the largest M
    log_sums = gather((everyone.flatten(0, 1) @ shard.T).logsumexp(-1))  # (W, W·M⁺): process × mention
    mine = log_sums.logsumexp(0).view(len(everyone), most)[rank, : len(gold)]  # (M,)
    linked = gold >= 0  # (M,)
    return (mine - (vectors * own).sum(-1))[linked].sum(), linked.sum()


def nearest_rows(vectors: Tensor, table: Tensor, k: int, *, block: int = 1 << 17) -> Tensor:
    """The k rows of a table with the largest inner products, best first, in the table's precision: (M, D) → (M, K) int64.

    Fewer where the table has fewer rows.
    """
    queries = vectors.detach().to(table.dtype)  # (M, D)
    best, rows = table.new_empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64, device=table.device)
    for start in range(0, len(table), block):
        products = queries @ table[start : start + block].T  # (M, block)
        found, places = products.topk(min(k, products.shape[-1]), dim=-1)  # (M, ≤k)
        best, order = torch.cat([best, found], -1).sort(dim=-1, descending=True, stable=True)
        best, rows = best[:, :k], torch.cat([rows, places + start], -1).gather(-1, order)[:, :k]
    return rows


def candidate_rows(gold: Tensor, nearest: Tensor) -> Tensor:
    """The candidates of a batch: every mention's gold (in-batch negatives of the others) and every mention's nearest.

    Args:
        gold: (M,) table rows, −1 for NIL.
        nearest: (M, K) table rows from the index, −1 where it found nothing; K may be 0.

    Returns:
        (C,) table rows, each once, ascending.

    >>> candidate_rows(torch.tensor([7, 3, -1]), torch.tensor([[3, 9], [3, 4], [9, -1]]))
    tensor([3, 4, 7, 9])
    """
    rows = torch.cat([gold, nearest.reshape(-1)])
    unique: Tensor = torch.unique(rows[rows >= 0])
    return unique


def sampled_loss(
    vectors: Tensor,
    gold: Tensor,
    rows: Tensor,
    table_rows: Tensor,
    matches: Tensor | None = None,
    bonus: Tensor | None = None,
    nil: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy over the candidates of the batch instead of all entities.

    Each candidate stands in the list once, so a mention's own gold is never its negative, while it stays a negative of
    every other mention that means something else.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows, −1 for NIL. Every other one must be among ``rows``.
        rows: (C,) candidate rows, ascending, from :func:`candidate_rows`; of all processes where several share a batch.
        table_rows: (C, D) their vectors.
        matches, bonus, nil: as in :func:`table_loss`; a name match that is not among the rows takes no part.

    Returns:
        Sum over the mentions that take part, and their number, both scalars.
    """
    if matches is not None and bonus is not None and len(rows):
        matches, wanted = (
            torch.searchsorted(rows, matches.contiguous()).clamp_max(len(rows) - 1),
            matches,
        )  # (M, E)
        bonus = bonus.masked_fill(rows[matches] != wanted, 0.0)  # (M, E)
    places = torch.where(gold >= 0, torch.searchsorted(rows, gold), -1)  # (M,)
    return table_loss(vectors, places, table_rows, matches, bonus, nil)
