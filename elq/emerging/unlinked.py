"""Unlinked mentions: finds the mentions of texts whose entity is not in the catalogue, and their vectors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from elq.emerging.groups import Context
from elq.errors import ElqError
from elq.linking.given import token_spans
from elq.linking.inputs import check_threshold
from elq.linking.linker import Linker
from elq.tensors import Array
from elq.types import NIL, Link, Mention

CHUNK = 256  # texts that are linked, and held in memory, at a time
HEAD, PRIOR = 1_000, 50  # mentions of which the mean is subtracted, and zeros that are counted in this mean


@dataclass(frozen=True, slots=True)
class CorpusText:
    """A text of a corpus. If its mentions are None, the linker finds them.

    A given mention with the entity ``NIL`` has no entity in the catalogue; for one with the entity None, the linker decides
    this; one with another entity is passed over.
    """

    text: str
    mentions: tuple[Mention, ...] | None = None


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A mention without an entity, and its vector."""

    context: Context
    vector: Array  # (2 D,) the mention and its text, each of norm 1


def unlinked(linker: Linker, texts: Iterable[CorpusText], *, threshold: float | None = None) -> Iterator[Unlinked]:
    """Yield the mentions without an entity, in the order of the texts.

    Args:
        linker: finds the mentions that are not given, and decides which have no entity.
        texts: the texts; only 256 of them are held in memory at a time.
        threshold: a mention has no entity if log p(entity | mention) of its best candidate is below this number. If it is None,
            NIL must be the best candidate.

    Raises:
        ElqError: the model was trained without NIL, but it is needed; or the threshold is no number or above 0.
    """
    if threshold is not None:
        check_threshold(threshold)
    stream = iter(texts)
    while chunk := list(islice(stream, CHUNK)):
        found = _contexts(linker, chunk, threshold)
        several = [[(context.start, context.end) for context in of_text] for of_text in found]
        vectors = mention_vectors(linker, [one.text for one in chunk], several)
        for of_text, of_vectors in zip(found, vectors, strict=True):
            yield from map(Unlinked, of_text, of_vectors)


def centred(mentions: Iterable[Unlinked]) -> Iterator[Unlinked]:
    """Yield the mentions with vectors of which the mean of the first 1,000 is subtracted.

    All vectors of a model have much in common, and those of one model more than those of another: without this mean, one cosine
    means nearly the same for every model. The mean also counts 50 zeros. So a few mentions, which may have one name, keep their
    vectors.
    """
    stream = iter(mentions)
    if head := list(islice(stream, HEAD)):
        mean = np.sum([mention.vector for mention in head], axis=0) / (len(head) + PRIOR)  # (2 D,)
        yield from (replace(mention, vector=mention.vector - mean) for mention in chain(head, stream))


def _contexts(linker: Linker, chunk: Sequence[CorpusText], threshold: float | None) -> list[list[Context]]:
    """The mentions without an entity of each text."""
    free = [place for place, one in enumerate(chunk) if one.mentions is None]
    asked = {place: _readable(one, None) for place, one in enumerate(chunk) if one.mentions is not None}
    asked = {place: mentions for place, mentions in asked.items() if mentions}
    links: dict[int, Sequence[Link]] = {}
    if free:
        _require_nil(linker, "mentions of new entities are to be found", "give mentions in the file")
        links |= zip(free, linker.link([chunk[place].text for place in free], nil=True), strict=True)
    if asked:
        nil = threshold is None
        if nil:
            _require_nil(linker, "given mentions are to be tried", "give a threshold")
        given = linker.link([chunk[place].text for place in asked], mentions=[*asked.values()], nil=nil)
        links |= zip(asked, given, strict=True)
    found = []
    for place, one in enumerate(chunk):
        spans = {(link.start, link.end) for link in links.get(place, ()) if _has_none(link, threshold)}
        spans |= {(mention.start, mention.end) for mention in _readable(one, NIL)}
        found.append([Context(one.text, start, end) for start, end in sorted(spans)])
    return found


def _readable(one: CorpusText, entity: str | None) -> list[Mention]:
    """The given mentions with this entity that have a letter or a digit, since a model reads no others."""
    mine = [mention for mention in one.mentions or () if mention.entity == entity]
    return [mention for mention in mine if any(map(str.isalnum, one.text[mention.start : mention.end]))]


def _has_none(link: Link, threshold: float | None) -> bool:
    if threshold is None:
        return link.entity == NIL
    return not link.candidates or link.candidates[0].score < threshold


def _require_nil(linker: Linker, what: str, remedy: str) -> None:
    if linker.model.nil is None:
        raise ElqError(f"{what}, but the model was trained without NIL: train with model.nil=true, or {remedy}")


def mention_vectors(linker: Linker, texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]]) -> list[list[Array]]:
    """The vectors of given mentions, (2 D,) each: the mention vector, and the mean of the token vectors of its text.

    Args:
        linker: the linker whose network makes the vectors.
        texts: the texts.
        mentions: characters [start, end) of the mentions of each text.
    """
    found: list[list[Array]] = [[] for _ in texts]
    wanted = [place for place, of_text in enumerate(mentions) if of_text]
    for places in linker.scorer.by_length([texts[place] for place in wanted], linker.batch_size):
        places = [wanted[place] for place in places]
        batch, given = [texts[place] for place in places], [mentions[place] for place in places]
        rows = iter(_vectors(linker, batch, given).numpy())
        for place, of_text in zip(places, given, strict=True):
            found[place] = [next(rows) for _ in of_text]
    return found


def _vectors(linker: Linker, batch: Sequence[str], given: Sequence[Sequence[tuple[int, int]]]) -> Tensor:
    """The vectors (Q, 2 D) of the Q mentions of B texts."""
    scorer, config = linker.scorer, linker.model.config
    tokens = scorer.plain_tokens(batch)
    spans = token_spans(tokens, batch, given).to(scorer.device)
    with scorer.inference():
        there = tokens.to(scorer.device)
        hidden = scorer.model.encode(there)  # (B, T, D)
        own = scorer.model.mention_vectors(hidden, spans).float()  # (Q, D + P)
        own = own[:, : own.shape[-1] - len(config.prior)]  # (Q, D)
        mask = there.text_mask.unsqueeze(-1)  # (B, T, 1)
        whole = hidden.float().masked_fill(~mask, 0.0).sum(1) / mask.sum(1).clamp_min(1)  # (B, D)
        both = torch.cat([normalize(own, dim=-1), normalize(whole, dim=-1)[spans.question]], -1)  # (Q, 2 D)
    return both.cpu()
