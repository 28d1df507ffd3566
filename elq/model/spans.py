"""Spans: scores all spans of at most L tokens and longer names, and pools the tokens of the best.

The equations are those of Li et al., "Efficient One-Pass End-to-End Entity Linking for Questions" (EMNLP 2020), section 3. The
scores of spans form a (B, T, L) grid: cell [b, t, l] is the span of question b that starts at token t and has l + 1 tokens.
"""

import math

import torch
from torch import Tensor, nn

from elq.encoding.capitals import KINDS
from elq.model.heads import SINGLE_SCALE
from elq.names.named import PER_SIZE, match_and_words, start_scores
from elq.tensors import Spans


def span_mask(text_mask: Tensor, max_tokens: int) -> Tensor:
    """Which cells are spans that contain text only: (B, T) bool → (B, T, L) bool.

    A cell is False if its span contains a special token or padding, or if it is longer than the text.

    >>> span_mask(torch.tensor([[False, True, True, False]]), 2).int()
    tensor([[[0, 0],
             [1, 1],
             [1, 0],
             [0, 0]]], dtype=torch.int32)
    """
    windows = nn.functional.pad(text_mask, (0, max_tokens - 1)).unfold(1, max_tokens, 1)  # (B, T, L)
    return windows.cummin(-1).values  # (B, T, L)


def blank_edges(blank: Tensor, max_tokens: int) -> Tensor:
    """The spans that begin or end with a token without characters: (B, T) bool → (B, T, L) bool.

    >>> blank_edges(torch.tensor([[True, False, False]]), 2).int()
    tensor([[[1, 1],
             [0, 0],
             [0, 0]]], dtype=torch.int32)
    """
    ends = nn.functional.pad(blank, (0, max_tokens - 1)).unfold(1, max_tokens, 1)  # (B, T, L)
    return ends | blank.unsqueeze(-1)  # (B, T, L)


def span_logits(start: Tensor, end: Tensor, inside: Tensor, mask: Tensor) -> Tensor:
    """Equation 1: s_start(i) + s_end(j) + Σ_{t=i..j} s_inside(t), as logits.

    Args:
        start, end, inside: token scores, each (B, T).
        mask: (B, T, L) from :func:`span_mask`.

    Returns:
        (B, T, L) fp32, −inf where the mask is False.
    """
    length = mask.shape[-1]
    padded_end = nn.functional.pad(end.float(), (0, length - 1)).unfold(1, length, 1)  # (B, T, L) s_end(i + l)
    padded_inside = nn.functional.pad(inside.float(), (0, length - 1)).unfold(1, length, 1)  # (B, T, L)
    scores = start.float().unsqueeze(-1) + padded_end + padded_inside.cumsum(-1)  # (B, T, L)
    return scores.masked_fill(~mask, -torch.inf)


def keep_spans(logits: Tensor, threshold: float, limits: Tensor) -> tuple[Spans, Tensor]:
    """The spans with log p(mention) ≥ threshold; of each question at most as many of the best as ``limits`` says.

    Args:
        logits: (B, T, L) mention logits, −inf for cells that are not spans of text.
        threshold: natural logarithm of a probability; −inf keeps all spans of text.
        limits: (B,) the largest number of spans that are kept of each question.

    Returns:
        Q spans, question by question and best first, and their log p(mention), (Q,) fp32.
    """
    batch, tokens, length = logits.shape
    scores = nn.functional.logsigmoid(logits).view(batch, tokens * length)  # (B, T·L)
    most = min(int(limits.max()), tokens * length) if batch else 0  # S
    best, cells = scores.topk(most, dim=-1)  # (B, S)
    kept = best >= max(threshold, torch.finfo(best.dtype).min)  # (B, S); −inf is not kept
    if batch and int(limits.min()) < most:
        kept &= torch.arange(most, device=logits.device) < limits.unsqueeze(-1)
    question, _ = kept.nonzero(as_tuple=True)  # (Q,)
    chosen = cells[kept]  # (Q,)
    start = chosen.div(length, rounding_mode="floor")  # (Q,)
    return Spans(question, start, start + chosen % length + 1), best[kept]


def mean_of_spans(hidden: Tensor, spans: Spans) -> Tensor:
    """Equation 2: the mean of each span's token vectors, (B, T, D) and Q spans → (Q, D), by cumulative sums."""
    sums = nn.functional.pad(hidden.float().cumsum(1), (0, 0, 1, 0))  # (B, T + 1, D)
    totals = sums[spans.question, spans.end] - sums[spans.question, spans.start]  # (Q, D)
    return totals / (spans.end - spans.start).unsqueeze(-1)  # (Q, D)


class SpanScorer(nn.Module):
    """Linear start, end and inside scores of every token.

    Args:
        width: D of the encoder.
        max_tokens: L.
        names: whether a learned score is added for spans that are a name of the catalogue (not in the paper).
        fine: whether these scores are for the fine kinds of names. Then they depend on the token vectors too: a learned linear
            score of each kind of match, the mean over the span's tokens.
        capitals: whether learned scores are added to the start, end and inside scores of tokens of words with and without
            capital letters (not in the paper), see elq/encoding/capitals.py. They start at 0.
    """

    def __init__(self, width: int, *, max_tokens: int, names: bool = False, fine: bool = False, capitals: bool = False) -> None:
        super().__init__()
        self.max_tokens = max_tokens
        self.linear = nn.Linear(width, 3)
        self.name = nn.Parameter(torch.tensor([score / SINGLE_SCALE for score in start_scores(fine=fine)])) if names else None
        self.match = nn.Linear(width, PER_SIZE, bias=False) if names and fine else None
        if self.match is not None:
            nn.init.zeros_(self.match.weight)
        self.capitals = nn.Parameter(torch.zeros(KINDS - 1, 3)) if capitals else None

    def token_scores(self, hidden: Tensor, capitals: Tensor | None) -> Tensor:
        """The start, end and inside scores (B, T, 3) of token vectors (B, T, D).

        Args:
            hidden: the token vectors.
            capitals: (B, T) the kinds of the words, see :class:`elq.tensors.TokenBatch`; None: nothing is known about them.
        """
        scores: Tensor = self.linear(hidden)  # (B, T, 3)
        if self.capitals is None or capitals is None:
            return scores
        return scores + SINGLE_SCALE * nn.functional.pad(self.capitals, (0, 0, 1, 0))[capitals]  # (B, T, 3)

    def forward(self, hidden: Tensor, text_mask: Tensor, named: Tensor | None = None, capitals: Tensor | None = None) -> Tensor:
        """Mention logits (B, T, L). L is ``max_tokens``, or that of ``named``, if some names have more tokens.

        Args:
            hidden: (B, T, D) token vectors.
            text_mask: (B, T) which tokens are text.
            named: (B, T, L) the kinds of names, for a scorer with names. A span of more than ``max_tokens`` tokens has a logit
                only if it is a name.
            capitals: (B, T) the kinds of the words; None: nothing is known about them.
        """
        start, end, inside = self.token_scores(hidden, capitals).unbind(-1)  # each (B, T)
        if self.name is None:
            return span_logits(start, end, inside, span_mask(text_mask, self.max_tokens))
        assert named is not None  # for a model with names, the linker and the collator find the names of the spans
        mask = span_mask(text_mask, named.shape[-1])  # (B, T, L)
        if named.shape[-1] > self.max_tokens:
            mask[..., self.max_tokens :] &= named[..., self.max_tokens :] > 0
        logits = span_logits(start, end, inside, mask)
        logits = logits + SINGLE_SCALE * nn.functional.pad(self.name, (1, 0))[named]  # (B, T, L)
        if self.match is None:
            return logits
        return logits + self.match_scores(self.match(hidden).float(), named)  # (B, T, L)

    def match_scores(self, scores: Tensor, named: Tensor) -> Tensor:
        """The mean over each named span's tokens of the scores (B, T, M) of its kind of match: (B, T, L), 0 for other spans."""
        length = named.shape[-1]
        sums = nn.functional.pad(scores.cumsum(1), (0, 0, 1, length))  # (B, 1 + T + L, M)
        first = torch.arange(named.shape[1], device=named.device).view(1, -1, 1)  # (1, T, 1)
        after = first + torch.arange(1, length + 1, device=named.device)  # (1, T, L)
        kinds, batch = match_and_words(named), torch.arange(len(named), device=named.device).view(-1, 1, 1)
        means = (sums[batch, after, kinds] - sums[batch, first, kinds]) / (after - first)  # (B, T, L)
        return torch.where(named > 0, means, 0.0)


class SpanPooler(nn.Module):
    """Makes mention vectors: the mean of a span's tokens, then optionally a projection, and a unit norm times a scale.

    Args:
        width: D of the encoder.
        projection: whether to apply a linear map (D, D), which starts as the identity.
        unit_norm: whether to divide by the norm and multiply by a learned scale, so that a score is scale · cosine.
        scale: the start value of the scale. The logarithm of the scale is learned, so that the scale stays positive.
        prior: P, the number of columns that the prior has in the entity table (elq/entities/prior.py). Each has a learned
            weight, which starts at 0.
    """

    def __init__(
        self, width: int, *, projection: bool = True, unit_norm: bool = True, scale: float = 20.0, prior: int = 0
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width) if projection else None
        if self.projection is not None:
            nn.init.eye_(self.projection.weight)
            nn.init.zeros_(self.projection.bias)
        self.prior = nn.Parameter(torch.zeros(prior)) if prior else None
        self.log_scale = nn.Parameter(torch.tensor([math.log(scale)])) if unit_norm else None  # (1,) for FSDP

    def forward(self, hidden: Tensor, spans: Spans) -> Tensor:
        """Mention vectors (Q, D + P) fp32 from token vectors (B, T, D) and Q spans."""
        vectors = mean_of_spans(hidden, spans)  # (Q, D)
        if self.projection is not None:
            vectors = self.projection(vectors).float()  # (Q, D)
        if self.log_scale is not None:
            vectors = nn.functional.normalize(vectors, dim=-1) * self.log_scale.exp()  # (Q, D)
        if self.prior is not None:
            weights = SINGLE_SCALE * self.prior.expand(len(vectors), -1)  # (Q, P)
            vectors = torch.cat([vectors, weights], dim=-1)  # (Q, D + P)
        return vectors
