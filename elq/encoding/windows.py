"""Windows: texts of more tokens than the encoder takes, in overlapping passes.

Neighbouring windows share half of their tokens. Every token takes its vector from the window in whose middle it lies most
nearly, which is where it sees most on both sides; everything behind the encoder then goes on as after a single pass, so spans
across a window's edge are scored and pooled like any other, and nothing is found twice.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from elq.encoding.transformer import Encoder
from elq.tensors import TokenBatch

WINDOWS = 16  # in one encoder pass


def window_starts(length: int, size: int) -> list[int]:
    """Where windows of ``size`` tokens begin in a text of ``length``: half a window apart, the last one ends with the text.

    >>> window_starts(10, 4)
    [0, 2, 4, 6]
    >>> window_starts(9, 4)
    [0, 2, 4, 5]
    >>> window_starts(3, 4)
    [0]
    """
    last = max(0, length - size)
    return [*range(0, last, max(1, size // 2)), last]


def nearest_window(length: int, size: int) -> list[int]:
    """For each token, the number of the window whose middle is nearest (ties: the earlier).

    >>> nearest_window(9, 4)
    [0, 0, 0, 1, 1, 2, 2, 3, 3]
    """
    middles = [start + (size - 1) / 2 for start in window_starts(length, size)]
    return [min(range(len(middles)), key=lambda window: abs(token - middles[window])) for token in range(length)]


def _row_windows(ids: Tensor, text: Tensor, limit: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """One text's windows: their ids (≤ limit,), and which of their places fill which tokens of the text."""
    if len(ids) <= limit:
        everything = torch.arange(len(ids))
        yield ids, everything, everything
        return
    places = text.nonzero().flatten()
    first, after = int(places[0]), int(places[-1]) + 1  # special tokens stand before and behind
    size, length = limit - first - (len(ids) - after), after - first
    chosen = torch.tensor(nearest_window(length, size))  # (length,)
    for number, start in enumerate(window_starts(length, size)):
        window = torch.cat([ids[:first], ids[first + start : first + start + size], ids[after:]])  # (limit,)
        mine = (chosen == number).nonzero().flatten()  # text tokens that this window is nearest to
        at, to = first + mine - start, first + mine
        if number == 0:
            at, to = torch.cat([torch.arange(first), at]), torch.cat([torch.arange(first), to])
        if start + size >= length:
            closing = torch.arange(len(ids) - after)
            at, to = torch.cat([at, first + size + closing]), torch.cat([to, after + closing])
        yield window, at, to


def encode_windows(encoder: Encoder, tokens: TokenBatch) -> Tensor:
    """Token vectors (B, T, D) fp32 for texts of any length; equal to a single pass for those that fit into one."""
    batch, width = tokens.ids.shape
    hidden = torch.zeros(batch, width, encoder.width, device=tokens.ids.device)  # (B, T, D)
    windows: list[tuple[int, Tensor, Tensor, Tensor]] = []
    for b in range(batch):
        length = int(tokens.attention[b].sum())
        found = _row_windows(tokens.ids[b, :length].cpu(), tokens.text_mask[b, :length].cpu(), encoder.max_tokens)
        windows += [(b, *window) for window in found]
    for start in range(0, len(windows), WINDOWS):
        part = windows[start : start + WINDOWS]
        padded = torch.nn.utils.rnn.pad_sequence(
            [ids for _, ids, _, _ in part], batch_first=True, padding_value=encoder.padding
        )
        lengths = torch.tensor([len(ids) for _, ids, _, _ in part])
        attention = torch.arange(padded.shape[1]) < lengths.unsqueeze(-1)  # (W, ≤limit)
        vectors = encoder(padded.to(hidden.device), attention.to(hidden.device))  # (W, ≤limit, D)
        for row, (b, _, at, to) in zip(vectors, part, strict=True):
            hidden[b, to.to(hidden.device)] = row[at.to(hidden.device)]
    return hidden
