"""Losses: pure functions for mention detection and disambiguation.

They follow Li et al. 2020, section 3.4. Each function returns a sum and the number of its terms, instead of a mean. So several
processes can compute the mean over all terms of a shared batch (elq/training/processes.py), and the gradients are those of one
process with the whole batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from elq.encoding.capitals import small_spans
from elq.tensors import Spans, TokenBatch


def mention_loss(
    logits: Tensor,
    gold: Spans,
    unsure: Tensor | None = None,
    unsure_weight: float = 0.0,
    nouns: Tensor | None = None,
    noun_weight: float = 1.0,
    small: Tensor | None = None,
    small_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy over all text spans of the batch.

    Args:
        logits: (B, T, L) mention logits, −inf where there is no span of text.
        gold: M gold mentions of at most L tokens, NIL ones included.
        unsure: (B, T, L) bool, True for spans that may be mentions without an annotation.
        unsure_weight: weight of such a span, as a negative; other spans have weight 1.
        nouns: (B, T, L) bool, True for spans that are generic nouns without an annotation.
        noun_weight: weight of such a span, as a negative.
        small: (B, T, L) bool, True for names without capital letters, in texts where these tell names from other words.
        small_weight: factor of the weight of such a span, as a negative.

    Returns:
        Sum of the weighted losses, and sum of the weights, both scalars.

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
    if nouns is not None:
        weights[nouns & (targets == 0)] = noun_weight
    if small is not None:
        weights[small & (targets == 0)] *= small_weight
    total = functional.binary_cross_entropy_with_logits(logits[valid], targets[valid], weights[valid], reduction="sum")
    return total, weights[valid].sum()


def small_names(tokens: TokenBatch, max_tokens: int) -> Tensor | None:
    """The names of at most L tokens without capital letters, in texts where these tell names from other words, (B, T, L) bool.

    For a model that uses no names, they are all such spans. None if there is no such text.
    """
    if tokens.capitals is None:
        return None
    small = small_spans(tokens.capitals, max_tokens)
    return small if tokens.named is None else small & (tokens.named > 0)


def hidden_names(bonus: Tensor, question: Tensor, questions: int, share: float) -> Tensor:
    """The name bonuses (M, E) without those of some questions, which are drawn: theirs are 0.

    Args:
        bonus: (M, E) bonuses of the entities that M mentions' names may mean.
        question: (M,) the questions of the mentions.
        questions: B, the number of questions.
        share: the probability that the bonuses of a question are hidden. All mentions of one question have the same fate.

    >>> hidden_names(torch.ones(2, 3), torch.tensor([0, 0]), 1, 0.0)
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    seen = torch.rand(questions, device=bonus.device) >= share  # (B,)
    return bonus * seen[question].unsqueeze(-1)  # (M, E)


def table_loss(
    vectors: Tensor,
    gold: Tensor,
    table: Tensor,
    matches: Tensor | None = None,
    bonus: Tensor | None = None,
    nil: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Exact cross-entropy over all N entities.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows of the gold entities. A mention with −1 (NIL) is left out, unless NIL is a candidate.
        table: (N, D) frozen entity vectors.
        matches: (M, E) rows of the entities that a mention's name may mean, filled up with −1; None: names are not used.
        bonus: (M, E) numbers that are added to the scores of ``matches``, as in the linker; filled up with 0.
        nil: (M,) score of NIL as one more candidate; None: NIL is not a candidate.

    Returns:
        Sum over the mentions that are not left out, and their number, both scalars.
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

    Every process scores the mentions of all processes against its own rows. The log-sum-exp over the whole table follows from
    the log-sum-exps of the shares.

    Args:
        vectors: (M, D) mention vectors of this process; M may differ between processes.
        gold: (M,) table rows of the gold entities; mentions with −1 (NIL) are left out.
        own: (M, D) vectors of the gold entities; any values for NIL.
        shard: (N', D) this process's rows of the table.
        gather: stacks the tensors of all processes, (…) → (W, …), and passes gradients back to each process.
        rank: number of this process, from 0.

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
    """The k table rows with the largest inner products, best first: (M, D) → (M, K) int64.

    The inner products have the precision of the table. K is less than k if the table has fewer rows.
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
    """The table rows for the sampled loss of a batch: the gold entity and the nearest entities of every mention.

    The gold entities of the other mentions are in-batch negatives.

    Args:
        gold: (M,) table rows, −1 for NIL.
        nearest: (M, K) table rows from the index, filled up with −1; K may be 0.

    Returns:
        (C,) table rows in ascending order, each only once.

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
    """Cross-entropy over the entities of the batch instead of all entities.

    Each entity is in the list only once. So the gold entity of a mention is never its own negative, but it is a negative of
    every mention that has another gold entity.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows, −1 for NIL. Every other row must be in ``rows``.
        rows: (C,) table rows of :func:`candidate_rows`, in ascending order; those of all processes that share a batch.
        table_rows: (C, D) vectors of these rows.
        matches, bonus, nil: as in :func:`table_loss`; a name match that is not in ``rows`` is left out.

    Returns:
        Sum over the mentions that are not left out, and their number, both scalars.
    """
    if matches is not None and bonus is not None and len(rows):
        matches, wanted = (
            torch.searchsorted(rows, matches.contiguous()).clamp_max(len(rows) - 1),
            matches,
        )  # (M, E)
        bonus = bonus.masked_fill(rows[matches] != wanted, 0.0)  # (M, E)
    places = torch.where(gold >= 0, torch.searchsorted(rows, gold), -1)  # (M,)
    return table_loss(vectors, places, table_rows, matches, bonus, nil)
