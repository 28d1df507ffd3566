"""The baseline of the speed measurements: a plain program that behaves as the released ELQ does; it has no part of elq.

- Every question is cut after 32 tokens and padded to 32 tokens.
- The encoder is a BERT of transformers in fp32.
- The scores of all spans of at most 11 tokens are computed, [CLS] and [SEP] among them. The 50 best of a question stay, if
  log p(mention) reaches the threshold.
- The table is in memory in fp32. One matrix product compares all mention vectors of a batch with all entities.
- The score of a link is log p(mention) plus the log-softmax over the 10 nearest entities. Links below the threshold are left
  out, and of overlapping links the one with the best score stays.

It reads a model folder of elq, so that both have the same weights and the same table. The entity encoder, which the released
program also keeps in memory, is not loaded. benchmarks/whole_link.py measures both side by side.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file
from tokenizers import Encoding, Tokenizer
from torch.nn.functional import linear, logsigmoid
from transformers import BertConfig, BertModel

TOKENS, LONGEST, MENTIONS, CANDIDATES, THRESHOLD = 32, 11, 50, 10, -4.5

Found = tuple[int, int, str, float]  # first character, character after the last, entity, score


def places(encoding: Encoding, first: int, last: int) -> tuple[int, int]:
    """The characters of the tokens from first to last; those of [SEP] are the end of the text."""
    text = max(end for _, end in encoding.offsets)
    start, end = ((text, text) if encoding.tokens[t] == "[SEP]" else encoding.offsets[t] for t in (first, last))
    return start[0], end[1]


class Baseline:
    """The weights, the table and the entities of a model folder, all in memory.

    Args:
        folder: a model folder whose encoder is a BERT, without projection, unit norm, names and prior.
        threshold: the lowest joint score of a link.
    """

    def __init__(self, folder: Path, threshold: float = THRESHOLD) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
        self.encoder = BertModel(BertConfig(**config["encoder"]), add_pooling_layer=False).eval()
        prefix = "encoder.transformer."
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        self.encoder.load_state_dict(own)
        self.weight, self.bias = weights["scorer.linear.weight"], weights["scorer.linear.bias"]  # start, end, inside
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(TOKENS)
        self.tokenizer.enable_padding(length=TOKENS)
        self.table = torch.from_numpy(np.load(folder / "entities" / "table.npy").astype(np.float32))  # (N, D)
        self.entities: list[dict[str, Any]] = pa.ipc.open_file(folder / "entities" / "catalogue.arrow").read_all().to_pylist()
        self.threshold = threshold

    @torch.inference_mode()
    def link(self, texts: Sequence[str]) -> list[list[Found]]:
        """The links of a batch of questions."""
        encodings = self.tokenizer.encode_batch([text.lower() for text in texts])
        ids = torch.tensor([one.ids for one in encodings])  # (B, T)
        mask = torch.tensor([one.attention_mask for one in encodings])  # (B, T)
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, D)
        question, first, last, scores = self._mentions(hidden, mask.bool())
        found: list[list[tuple[int, int, Found]]] = [[] for _ in texts]
        if not len(question):
            return [[] for _ in texts]
        sums = torch.cat([torch.zeros_like(hidden[:, :1]), hidden.cumsum(1)], 1)  # (B, T + 1, D)
        vectors = (sums[question, last + 1] - sums[question, first]) / (last + 1 - first).unsqueeze(-1)  # (Q, D)
        products, rows = (vectors @ self.table.T).topk(CANDIDATES, dim=-1)  # (Q, K)
        joint = scores + products.log_softmax(-1)[:, 0]  # (Q,)
        for q in joint.argsort(descending=True).tolist():
            b, start, end = int(question[q]), int(first[q]), int(last[q])
            taken = any(start <= other_end and other_start <= end for other_start, other_end, _ in found[b])
            if float(joint[q]) >= self.threshold and not taken:
                found[b].append((start, end, (*places(encodings[b], start, end), self._id(rows[q, 0]), float(joint[q]))))
        return [[link for _, _, link in sorted(one)] for one in found]

    def _id(self, row: torch.Tensor) -> str:
        return str(self.entities[int(row)]["id"])

    def _mentions(self, hidden: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The spans that are searched: question, first token, last token and log p(mention) of each."""
        start, end, inside = linear(hidden, self.weight, self.bias).unbind(-1)  # (B, T)
        tokens = hidden.shape[1]
        sums = inside.cumsum(1)
        before = sums - inside
        logits = start.unsqueeze(2) + end.unsqueeze(1) + sums.unsqueeze(1) - before.unsqueeze(2)  # (B, T, T)
        place = torch.arange(tokens)
        length = place.unsqueeze(0) - place.unsqueeze(1) + 1  # (T, T)
        allowed = (length > 0) & (length <= LONGEST) & mask.unsqueeze(1) & mask.unsqueeze(2)  # (B, T, T)
        scores = logsigmoid(logits.masked_fill(~allowed, -torch.inf)).flatten(1)  # (B, T·T)
        best, cells = scores.topk(MENTIONS, dim=-1)  # (B, M)
        kept = best >= self.threshold
        question = torch.arange(len(hidden)).unsqueeze(1).expand_as(cells)[kept]  # (Q,)
        return question, cells[kept] // tokens, cells[kept] % tokens, best[kept]
