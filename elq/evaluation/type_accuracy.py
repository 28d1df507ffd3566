"""Type accuracy: measures the predicted types of given mentions against the types of their gold entities.

Only mentions whose gold entity has a type that the model knows take part. The gold types are those of the entity and all types
above them; a type below the finest gold types counts neither as right nor as wrong (elq/training/type_loss.py).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from elq.linking.given import token_spans
from elq.linking.scorer import Scorer

LEAST = 0.5  # the probability from which a type is predicted


def type_probabilities(scorer: Scorer, texts: Sequence[str], spans: Sequence[tuple[int, int]], *, size: int = 64) -> Tensor:
    """The probabilities (M, Y) of the types of one given mention in each of M texts.

    Args:
        scorer: the scorer of a linker whose model has a type head.
        texts: M texts.
        spans: the characters [start, end) of each mention.
        size: the number of texts in one encoder pass.
    """
    assert scorer.model.types is not None
    found = torch.zeros(len(texts), len(scorer.model.types.hierarchy))
    for places in scorer.by_length(texts, size):
        batch = [texts[place] for place in places]
        tokens = scorer.tokens(batch)
        where = token_spans(tokens, batch, [[spans[place]] for place in places]).to(scorer.device)
        with scorer.inference():
            hidden = scorer.model.encode(tokens.to(scorer.device))  # (B, T, D)
            found[places] = scorer.model.types(scorer.model.mention_vectors(hidden, where)).cpu()
    return found


def finest_types(probabilities: Tensor, above: Tensor) -> Tensor:
    """The one finest type that is predicted for each of M mentions, (M,) int64.

    It is the most probable type among the predicted ones that have no predicted type below them. If no type has the
    probability to be predicted, it is the most probable one of all.

    Args:
        probabilities: (M, Y).
        above: (Y, Y) bool, from :meth:`elq.entities.hierarchy.Hierarchy.above`.
    """
    over = above & ~torch.eye(len(above), dtype=torch.bool)  # (Y, Y) without the type itself
    predicted = probabilities >= LEAST  # (M, Y)
    inner = predicted.float() @ over.float() > 0  # (M, Y) types with a predicted type below them
    finest = predicted & ~inner
    kept = torch.where(finest.any(-1, keepdim=True), finest, True)  # (M, Y)
    return probabilities.masked_fill(~kept, -1.0).argmax(-1)


def type_accuracy(probabilities: Tensor, positive: Tensor, negative: Tensor, above: Tensor) -> dict[str, float]:
    """The metrics of predicted types.

    Args:
        probabilities: (M, Y).
        positive, negative: (M, Y) bool, the gold types and those that the entity has not; what is neither does not count.
        above: (Y, Y) bool, from :meth:`elq.entities.hierarchy.Hierarchy.above`.

    Returns:
        ``finest``: the share of mentions whose finest predicted type is a finest gold type, or is below one. ``all``: the share
        whose predicted types are exactly the gold types. ``precision``, ``recall`` and ``f1``: over all pairs of a mention and
        a type. ``mentions``: the number of mentions that take part.
    """
    known = positive.any(-1)  # (M,)
    probabilities, positive, negative = probabilities[known], positive[known], negative[known]
    over = above.float() - torch.eye(len(above))  # (Y, Y)
    inner = positive.float() @ over > 0  # (M, Y) gold types with a gold type below them
    chosen = finest_types(probabilities, above).unsqueeze(-1)  # (M, 1)
    right = (~negative & ~inner).gather(-1, chosen)  # (M, 1)
    predicted = (probabilities >= LEAST) & (positive | negative)  # (M, Y)
    hits, found, gold = ((part.sum().item()) for part in (predicted & positive, predicted, positive))
    return {
        "finest": right.float().mean().item(),
        "all": (predicted == positive).all(-1).float().mean().item(),
        "precision": hits / max(1, found),
        "recall": hits / max(1, gold),
        "f1": 2 * hits / max(1, found + gold),
        "mentions": float(len(positive)),
    }
