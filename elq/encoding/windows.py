"""Windows: encodes texts that have more tokens than the encoder takes.

A long text is encoded in overlapping windows; neighbouring windows share half of their tokens. The vector of a token is taken
from the window whose middle is nearest to the token, since there the token has most context on both sides. The result has the
shape of a single pass. So spans across the edge of a window are scored and pooled like all others, and no span is found twice.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from elq.encoding.transformer import Encoder
from elq.tensors import TokenBatch

WINDOWS = 16  # windows in one encoder pass


def window_starts(length: int, size: int) -> list[int]:
    """The starts of windows of ``size`` tokens in a text of ``length`` tokens. The last window ends where the text ends.

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
    """For each token, the number of the window whose middle is nearest; of two equally near windows, the earlier one.

    >>> nearest_window(9, 4)
    [0, 0, 0, 1, 1, 2, 2, 3, 3]
    """
    middles = [start + (size - 1) / 2 for start in window_starts(length, size)]
    return [min(range(len(middles)), key=lambda window: abs(token - middles[window])) for token in range(length)]


def _row_windows(ids: Tensor, text: Tensor, limit: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the windows of one text: the ids (≤ limit,), the places in the window that are used, and the tokens they fill."""
    if len(ids) <= limit:
        everything = torch.arange(len(ids))
        yield ids, everything, everything
        return
    places = text.nonzero().flatten()
    first, after = int(places[0]), int(places[-1]) + 1  # special tokens are before and after the text
    size, length = limit - first - (len(ids) - after), after - first
    chosen = torch.tensor(nearest_window(length, size))  # (length,)
    for number, start in enumerate(window_starts(length, size)):
        window = torch.cat([ids[:first], ids[first + start : first + start + size], ids[after:]])  # (limit,)
        mine = (chosen == number).nonzero().flatten()  # text tokens to which this window is nearest
        at, to = first + mine - start, first + mine
        if number == 0:
            at, to = torch.cat([torch.arange(first), at]), torch.cat([torch.arange(first), to])
        if start + size >= length:
            closing = torch.arange(len(ids) - after)
            at, to = torch.cat([at, first + size + closing]), torch.cat([to, after + closing])
        yield window, at, to


def encode_windows(encoder: Encoder, tokens: TokenBatch) -> Tensor:
    """Token vectors (B, T, D) fp32 of texts of any length. For a text that fits into one pass they equal those of the pass."""
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
