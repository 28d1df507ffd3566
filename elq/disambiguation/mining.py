"""Mining: the vectors of entities and mentions, and the entities that are hard negatives of mentions."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from elq.disambiguation.examples import MentionExample, context_rows
from elq.encoding.marked import MarkedTexts, padded
from elq.model.biencoder import BiEncoder
from elq.names.dictionary import Dictionary
from elq.progress import track

BATCH = 128  # texts in one encoder pass
BLOCK, QUERIES = 16_384, 512  # entities and mentions that are scored together
NEAREST, NAMED = 32, 16  # the entities from which the hard negatives of a mention are drawn


def _half(device: torch.device, half: bool) -> AbstractContextManager[object]:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=half)


@torch.inference_mode()
def entity_table(network: BiEncoder, marked: MarkedTexts, texts: Sequence[str], *, half: bool = False) -> Tensor:
    """The vectors (C, D) fp32 of entity texts, on the CPU. ``half``: the towers multiply in bf16."""
    device, made = network.scale.device, torch.empty(len(texts), network.width)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    batches = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    for places in track(batches, "encoding entities") if len(batches) > BATCH else batches:
        ids = padded(marked.entities([texts[place] for place in places]), network.context.padding).to(device)
        with _half(device, half):
            made[places] = network.entity_vectors(ids).float().cpu()
    return made


@torch.inference_mode()
def mention_table(network: BiEncoder, marked: MarkedTexts, examples: Sequence[MentionExample], *, half: bool = False) -> Tensor:
    """The vectors (M, D) fp32 of mentions, on the CPU."""
    device, made = network.scale.device, torch.empty(len(examples), network.width)
    order = sorted(range(len(examples)), key=lambda place: len(examples[place].text))
    for at in range(0, len(order), BATCH):
        places = order[at : at + BATCH]
        ids = context_rows(marked, [examples[place] for place in places], network.context.padding).to(device)
        with _half(device, half):
            made[places] = network.context_vectors(ids).float().cpu()
    return made


def nearest(vectors: Tensor, table: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k rows of a table with the largest inner products: scores and places, (M, k) each, best first.

    Args:
        vectors: (M, D) vectors of mentions.
        table: (N, D) vectors of entities.
        k: how many; at most N are given.
    """
    if len(vectors) > QUERIES:
        parts = [nearest(part, table, k) for part in torch.split(vectors, QUERIES)]
        return torch.cat([scores for scores, _ in parts]), torch.cat([places for _, places in parts])
    k = min(k, len(table))
    scores, places = vectors.new_empty(len(vectors), 0), torch.empty(len(vectors), 0, dtype=torch.int64)
    for start in range(0, len(table), BLOCK):
        products = vectors @ table[start : start + BLOCK].float().T  # (M, ≤BLOCK)
        best = products.topk(min(k, products.shape[1]), -1)
        scores, places = torch.cat([scores, best.values], -1), torch.cat([places, best.indices + start], -1)
        scores, order = scores.topk(min(k, scores.shape[1]), -1)  # (M, k)
        places = places.gather(-1, order)
    return scores, places


def hard_negatives(
    vectors: Tensor, table: Tensor, rows: Tensor, examples: Sequence[MentionExample], k: int = NEAREST
) -> list[list[int]]:
    """For each mention, the catalogue rows of the k nearest entities without its gold entity, best first.

    Args:
        vectors: (M, D) vectors of the mentions.
        table: (C, D) vectors of entities.
        rows: (C,) catalogue rows of these entities.
        examples: the M mentions.
        k: how many.
    """
    found = rows[nearest(vectors, table, k + 1)[1]].tolist()
    return [[row for row in near if row != e.row][:k] for near, e in zip(found, examples, strict=True)]


def namesakes(dictionary: Dictionary, examples: Sequence[MentionExample], k: int = NAMED) -> list[list[int]]:
    """For each mention, the catalogue rows of at most k entities that its name may mean, without its gold entity."""
    found = dictionary.name_matches([example.mention for example in examples]).rows.tolist()
    return [[row for row in named if row not in (-1, e.row)][:k] for named, e in zip(found, examples, strict=True)]


def pool_of(found: Iterable[Iterable[int]]) -> list[int]:
    """The rows that were found for any mention, in ascending order."""
    return sorted({row for rows in found for row in rows})
