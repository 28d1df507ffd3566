"""Packed weights: matrices as 8-bit numbers with one scale for every 64 numbers of a row, a quarter of the size of fp32.

File format: safetensors. A packed matrix ``name`` of shape (rows, columns) is an int8 tensor of that shape and an fp16 tensor
``name:scale`` of shape (rows, ⌈columns / 64⌉); a number is its int8 value times its scale. A matrix of 4-bit numbers is a
uint8 tensor (rows, columns / 2) and an fp16 tensor ``name:scale`` (rows, columns / 32). 16 of its bytes are 32 numbers of a
row: the low halves of the bytes are the first 16, the high halves the others; a number is (half − 8) times its scale. Every
other tensor is fp16 or fp32.
A file may contain a second encoder, the entity tower, whose names begin with ``tower.``. What the tower has in common with the
first encoder, such as frozen word vectors, is in the file only once.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.tensors import Array

GROUP = 64  # 8-bit numbers that share a scale
BLOCK = 32  # 4-bit numbers that share a scale
PROBE = 64  # rows that are looked at first, since most matrices are no 4-bit numbers
SCALE, TOWER = ":scale", "tower."
LARGEST = 127  # of an int8 value


def pack(weights: Mapping[str, Tensor]) -> dict[str, Array]:
    """Packed tensors, for a safetensors file. Matrices are rounded; vectors and single numbers stay fp32.

    >>> packed = pack({"m": torch.tensor([[1.0, -0.5]])})
    >>> packed["m"].tolist(), packed["m"].dtype.name, packed["m:scale"].shape
    ([[127, -64]], 'int8', (1, 1))
    """
    made: dict[str, Array] = {}
    for name, value in weights.items():
        exact = value.detach().cpu().float().numpy()
        if exact.ndim != 2 or (exact.shape[0] == 1 and exact.shape[1] > GROUP):
            made[name] = exact
            continue
        groups = -(-exact.shape[1] // GROUP)
        padded = np.pad(exact, ((0, 0), (0, groups * GROUP - exact.shape[1]))).reshape(len(exact), groups, GROUP)
        scale = (np.abs(padded).max(-1) / LARGEST).astype(np.float16)  # (rows, groups)
        scale = np.maximum(scale, np.float16(6e-8))  # the smallest number of fp16, for groups of zeros
        rounded = np.clip(np.rint(padded / scale[..., None].astype(np.float32)), -LARGEST, LARGEST)
        whole = rounded.astype(np.int8).reshape(len(exact), -1)
        made[name] = np.ascontiguousarray(whole[:, : exact.shape[1]])  # safetensors ignores strides
        made[name + SCALE] = scale
    return made


def unpack(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a file as fp32 where they are packed; other tensors as they are.

    >>> unpack({"m": torch.tensor([[127, -64]], dtype=torch.int8), "m:scale": torch.tensor([[1 / 127]]), "v": torch.ones(1)})
    {'m': tensor([[ 1.0000, -0.5039]]), 'v': tensor([1.])}
    """
    made: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.endswith(SCALE):
            continue
        if name + SCALE not in weights:
            made[name] = value
            continue
        scale = weights[name + SCALE].float()
        if value.dtype == torch.uint8:
            made[name] = _four_bits(value, scale)
        else:
            made[name] = value.float() * scale.repeat_interleave(GROUP, -1)[:, : value.shape[-1]]  # (rows, columns)
    return made


def _four_bits(value: Tensor, scale: Tensor) -> Tensor:
    """The numbers (rows, columns) fp32 of a 4-bit matrix, from its bytes (rows, columns / 2) and scales (rows, blocks)."""
    rows = value.view(len(value), -1, BLOCK // 2)  # (rows, blocks, 16)
    halves = torch.cat([rows & 15, rows >> 4], -1)  # (rows, blocks, 32)
    return halves.float().sub_(8).mul_(scale.unsqueeze(-1)).view(len(value), -1)


def pack_exactly(weights: Mapping[str, Tensor]) -> dict[str, Array]:
    """Tensors for a safetensors file, in which the matrices that were made from 4-bit numbers are such numbers again.

    All tensors have the same values in the file. This makes frozen word vectors of a 4-bit encoder seven times smaller.
    """
    made: dict[str, Array] = {}
    for name, value in weights.items():
        value = value.detach().cpu()
        packed = None
        if value.ndim == 2 and value.dtype == torch.float32 and len(value) > PROBE and value.shape[1] % BLOCK == 0:
            packed = _as_four_bits(value) if _as_four_bits(value[:PROBE]) is not None else None
        if packed is None:
            made[name] = value.numpy()
        else:
            made[name], made[name + SCALE] = (part.numpy() for part in packed)
    return made


def _as_four_bits(matrix: Tensor) -> tuple[Tensor, Tensor] | None:
    """The bytes and scales of a matrix of 4-bit numbers; None if its values are no such numbers.

    The number of a block that is farthest from 0 has the half 0, so it is −8 times the scale.
    """
    blocks = matrix.view(len(matrix), -1, BLOCK)  # (rows, blocks, 32)
    farthest = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))  # (rows, blocks, 1)
    scale = (farthest / -8).half()
    halves = (blocks / scale.float()).nan_to_num_(0).add_(8).round_().clamp_(0, 15).to(torch.uint8)
    packed = (halves[..., : BLOCK // 2] | halves[..., BLOCK // 2 :] << 4).flatten(1)  # (rows, columns / 2)
    scale = scale.squeeze(-1)
    return (packed, scale) if torch.equal(_four_bits(packed, scale.float()), matrix) else None


def load_weights(file: str | Path) -> dict[str, Tensor]:
    """Read a safetensors file, whose weights may be packed. Raises what ``safetensors.torch.load_file`` raises."""
    from safetensors.torch import load_file

    return unpack(load_file(file))


def of_network(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a file without those of the entity tower."""
    return {name: value for name, value in weights.items() if not name.startswith(TOWER)}


def of_tower(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the entity tower, under the names of an encoder; all weights if the file has no entity tower."""
    own = {name.removeprefix(TOWER): value for name, value in weights.items() if name.startswith(TOWER)}
    return {**weights, **own} if own else dict(weights)


def with_tower(network: Mapping[str, Tensor], tower: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network and of an entity tower in one mapping. Tensors that are equal in both are in it only once."""
    different = {
        TOWER + name: value for name, value in tower.items() if name not in network or not torch.equal(network[name], value)
    }
    return {**network, **different}
