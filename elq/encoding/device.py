"""Devices: where the encoder computes, and in which precision."""

import os

import torch

from elq.errors import ElqError


def resolve_device(name: str) -> torch.device:
    """The device of a name such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ElqError: no such device on this machine, or in this build of torch.
    """
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ElqError(f"device {name!r} cannot be used ({reason}): give cpu, or a device that this machine has") from None


def resolve_precision(precision: str, device: str) -> str:
    """``bf16`` or ``fp32``; ``auto`` is bf16 where the processor computes in it."""
    if precision != "auto":
        return precision
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return "bf16" if there and torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"


def own_device(name: str) -> str:
    """``cuda`` is the card of this process where torchrun or srun started one process a card; any other name is itself."""
    import torch

    place, cards = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID"), torch.cuda.device_count()
    return f"cuda:{int(place) % cards}" if name == "cuda" and place and cards > 1 else name
