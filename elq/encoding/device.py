"""Devices: chooses the device and the precision of the encoder."""

import os

import torch

from elq.errors import ElqError


def chosen_device(name: str) -> str:
    """The name of a device; ``auto`` becomes the first of ``cuda``, ``mps`` and ``cpu`` that torch can use."""
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def resolve_device(name: str) -> torch.device:
    """The device of a name such as ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ElqError: this machine has no such device, or this build of torch cannot use it.
    """
    try:
        return torch.zeros(0, device=chosen_device(name)).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ElqError(
            f"device {name!r} cannot be used ({reason}): give cpu, or a device of this machine, such as cuda"
        ) from None


def resolve_precision(precision: str, device: str) -> str:
    """The precision ``bf16`` or ``fp32``; ``auto`` becomes bf16 if the processor of the device supports it."""
    if precision != "auto":
        return precision
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return "bf16" if there and torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"


def own_device(name: str) -> str:
    """The device of this process: ``cuda`` becomes this process's own card if torchrun or srun started one process for each."""
    name = chosen_device(name)
    place, cards = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID"), torch.cuda.device_count()
    return f"cuda:{int(place) % cards}" if name == "cuda" and place and cards > 1 else name
