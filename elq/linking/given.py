"""Given mentions: links spans of characters that the caller has chosen."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad

from elq.encoding.tokens import token_finder
from elq.errors import ElqError
from elq.linking.calibration import AnyCalibration
from elq.linking.decoding import Known, ScoredSpans
from elq.linking.inputs import shown
from elq.linking.scorer import Scorer
from elq.linking.sentences import is_long
from elq.linking.windowed import in_windows
from elq.model.heads import SINGLE_SCALE
from elq.model.network import ELQ
from elq.names.named import named_kinds
from elq.tensors import Spans, TokenBatch
from elq.types import Link, Mention

Span = tuple[int, int] | Mention


def checked_mentions(texts: Sequence[str], mentions: object) -> list[list[tuple[int, int]]]:
    """The given mentions of B texts as characters [start, end).

    Raises:
        ElqError: there is not one list for each text, or a mention is no pair of whole numbers, is empty or outside its text.
    """
    wanted = 'give for each text a list of pairs, such as [(13, 20)] for "titanic" in "who directed titanic?"'
    if isinstance(mentions, str | bytes) or not isinstance(mentions, Sequence) or len(mentions) != len(texts):
        number = f"{len(mentions)} lists" if isinstance(mentions, Sequence) else shown(mentions)
        raise ElqError(f"there are {len(texts)} texts, but the mentions are {number}: {wanted}")
    found: list[list[tuple[int, int]]] = []
    for place, (text, of_text) in enumerate(zip(texts, mentions, strict=True)):
        if isinstance(of_text, str | bytes) or not isinstance(of_text, Sequence):
            raise ElqError(f"the mentions of text {place} are {shown(of_text)}, but must be a list: {wanted}")
        found.append([_checked(mention, text, place, wanted) for mention in of_text])
    return found


def _checked(mention: object, text: str, place: int, wanted: str) -> tuple[int, int]:
    pair = (mention.start, mention.end) if isinstance(mention, Mention) else mention
    whole = isinstance(pair, tuple | list) and [isinstance(side, Integral) and not isinstance(side, bool) for side in pair]
    if whole != [True, True] or not isinstance(pair, tuple | list):
        raise ElqError(f"a mention of text {place} is {shown(mention)}, but must be two whole numbers: {wanted}")
    start, end = map(int, pair)
    if not 0 <= start < end <= len(text):
        raise ElqError(
            f"a mention of text {place} has start {start} and end {end}, but must lie in its {len(text)} characters and not be"
            " empty: correct them (characters are counted from 0, and end is the place after the last one)"
        )
    return start, end


def token_spans(tokens: TokenBatch, texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]]) -> Spans:
    """The token spans of the given mentions of B texts, text by text.

    Raises:
        ElqError: a mention overlaps no token.
    """
    found = []
    for b, of_text in enumerate(mentions):
        find = token_finder(tokens.offsets[b], tokens.text_mask[b].tolist())
        for start, end in of_text:
            if (span := find(start, end)) is None:
                raise ElqError(
                    f"the mention {shown(texts[b][start:end])} (characters {start} to {end}) overlaps no token that the model"
                    " reads: give a mention with letters or digits"
                )
            found.append((b, *span))
    return Spans(*torch.tensor(found, dtype=torch.int64).view(-1, 3).unbind(-1))


def mention_parts(model: ELQ, hidden: Tensor, tokens: TokenBatch, spans: Spans) -> Tensor:
    """The parts of the mention logits of Q spans, (Q, 4): start, end, inside, and name. Spans of any length have them.

    Args:
        model: the network.
        hidden: (B, T, D) token vectors.
        tokens: the tokens.
        spans: Q spans.
    """
    start, end, inside = model.scorer.token_scores(hidden, tokens.capitals).float().unbind(-1)  # each (B, T)
    sums = pad(inside.cumsum(-1), (1, 0))  # (B, T + 1)
    parts = [
        start[spans.question, spans.start],
        end[spans.question, spans.end - 1],
        sums[spans.question, spans.end] - sums[spans.question, spans.start],
        torch.zeros_like(start[spans.question, spans.start]),
    ]
    if model.scorer.match is not None and tokens.named is not None:  # all that the grid has besides the other parts
        logits, more = model.mention_logits(hidden, tokens), spans.end - spans.start - 1  # (B, T, L), (Q,)
        whole = logits[spans.question, spans.start, more.clamp_max(logits.shape[-1] - 1)]  # (Q,)
        inside = (more < logits.shape[-1]) & (whole > -torch.inf)
        parts[3] = torch.where(inside, whole - parts[0] - parts[1] - parts[2], 0.0)
    elif model.scorer.name is not None and tokens.named is not None:
        parts[3] = SINGLE_SCALE * pad(model.scorer.name, (1, 0))[named_kinds(tokens, spans)]
    return torch.stack(parts, -1)  # (Q, 4)


def score_spans(
    scorer: Scorer, texts: Sequence[str], tokens: TokenBatch, spans: Spans, candidates: int, allowed: Tensor | None = None
) -> tuple[ScoredSpans, Tensor]:
    """Score Q spans of B texts, whatever their mention score is.

    Returns:
        The scored spans, and the parts (Q, 4) of their mention logits, see :func:`mention_parts`; with a ``small_shift`` of the
        model (Q, 5), see elq/linking/balance.py. All are on the CPU.
    """
    with scorer.inference():
        there, where = tokens.to(scorer.device), spans.to(scorer.device)
        hidden = scorer.model.encode(there)  # (B, T, D)
        parts = mention_parts(scorer.model, hidden, there, where)  # (Q, 4)
        if scorer.retriever.balance.small_shift:
            parts = torch.cat([parts, scorer.retriever.balance.of_spans(where, there.capitals).unsqueeze(-1)], -1)  # (Q, 5)
        parts = parts.cpu()
        found = scorer.retriever(texts, tokens, spans, hidden, scorer.retrieved(candidates), scorer.score_mode, allowed)
    found = scorer.reranked(texts, tokens, spans, found).first(candidates)
    mention_scores = logsigmoid(parts.sum(-1))  # (Q,)
    return ScoredSpans(spans, mention_scores, found.log_probs, found.rows, found.log_nil, types=found.types), parts


def link_given(
    scorer: Scorer,
    texts: Sequence[str],
    mentions: Sequence[Sequence[tuple[int, int]]],
    *,
    candidates: int,
    nil: bool,
    calibration: AnyCalibration | None,
    allowed: Tensor | None,
    batch_size: int,
    starts: Sequence[int] | None = None,
) -> list[list[Link]]:
    """One link for each given mention, in the given order. Of a long text, each mention is read in its own sentence.

    Args:
        scorer: the scorer of the linker.
        texts: the texts.
        mentions: for each text, characters [start, end) of its mentions, as :func:`checked_mentions` returns them.
        candidates: K.
        nil: whether NIL is a candidate.
        calibration: gives the links a probability. If it is None, they have none.
        allowed: (A,) rows of the entities that may be candidates; None allows all.
        batch_size: the number of texts in one encoder pass.
        starts: for each text, the character at which it begins after its context (elq/linking/context.py); such texts are read
            as a whole, however long they are.
    """
    how: dict[str, Any] = {"candidates": candidates, "nil": nil, "calibration": calibration, "allowed": allowed}
    if starts is None and scorer.score_mode != "elq" and any(map(is_long, texts)):
        parts, inside, where = in_windows(texts, mentions)
        found = _linked(scorer, parts, inside, batch_size, **how)
        return [[moved(found[part][place], by) for part, place, by in of_text] for of_text in where]
    return _linked(scorer, texts, mentions, batch_size, starts=starts, **how)


def moved(link: Link, by: int) -> Link:
    """A link of a window as a link of the text in which the window begins after so many characters."""
    return replace(link, start=link.start + by, end=link.end + by) if by else link


def _linked(
    scorer: Scorer,
    texts: Sequence[str],
    mentions: Sequence[Sequence[tuple[int, int]]],
    batch_size: int,
    *,
    candidates: int,
    nil: bool,
    calibration: AnyCalibration | None,
    allowed: Tensor | None,
    starts: Sequence[int] | None = None,
) -> list[list[Link]]:
    """As :func:`link_given`, with whole texts."""
    links: list[list[Link]] = [[] for _ in texts]
    for places in scorer.by_length(texts, batch_size):
        batch, given = [texts[place] for place in places], [mentions[place] for place in places]
        tokens = scorer.tokens(batch, None if starts is None else [starts[place] for place in places])
        scored, _ = score_spans(scorer, batch, tokens, token_spans(tokens, batch, given), candidates, allowed)
        chosen = scored if nil else scored.without_nil()
        known = Known(scorer.retriever.entities.catalogue, chosen, [*range(len(scored.spans))])
        numbers = iter(enumerate(chosen.joint.tolist()))
        for place, text, of_text in zip(places, batch, given, strict=True):
            links[place] = [known.link(text, span, *next(numbers), calibration) for span in of_text]
    return links
