"""The entity encoder: turns entity texts into frozen vectors."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elq.encoding.device import resolve_precision
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.transformer import POOLINGS, Encoder

BATCH = 128  # texts in one encoder pass


class EntityEncoder:
    """Makes the vectors of texts with an encoder that is not trained.

    Args:
        encoder: folder or name of the encoder.
        pooling: ``mean`` (mean of the token vectors, unit norm) or ``cls`` (vector of the first token).
        max_tokens: longer texts are cut to this number of tokens.
        precision: ``bf16``, ``fp32``, or ``auto``.
        device: the device on which the encoder runs.

    Raises:
        ElqError: the encoder cannot be found or loaded.
    """

    def __init__(
        self,
        encoder: str,
        *,
        pooling: str = "mean",
        max_tokens: int = 64,
        precision: str = "auto",
        device: str = "cpu",
    ) -> None:
        self.encoder = Encoder.from_pretrained(encoder, trained=False).to(device).eval()
        self.tokenizer = load_tokenizer(encoder, max_tokens=min(max_tokens, self.encoder.max_tokens))
        self.pool = POOLINGS[pooling]
        self.device = device
        self.precision = resolve_precision(precision, device)

    def _autocast(self) -> AbstractContextManager[object]:
        device_type = torch.device(self.device).type
        return torch.autocast(device_type, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], Tensor]]:
        """Encode texts in batches of similar length, which need little padding.

        Yields:
            For each batch, the places of its texts in ``texts``, and their vectors (B, D) fp32.
        """
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            tokens = self.tokenizer([texts[place] for place in places]).to(self.device)
            with torch.inference_mode(), self._autocast():
                vectors = self.pool(self.encoder(tokens.ids, tokens.attention), tokens.attention).cpu()  # (B, D)
            yield places, vectors

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Vectors (len(texts), D) fp32 in the order of the texts."""
        vectors = torch.empty(len(texts), self.encoder.width)
        for places, found in self.batches(texts):
            vectors[torch.from_numpy(places)] = found
        return vectors
