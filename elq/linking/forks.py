"""Forks: lets a process that is forked after a linker was used link too, with one thread."""

import os
import sys
from functools import cache

import torch


@cache  # so it is registered once
def survive_forks() -> None:
    """Make every process that is forked from now on compute with one thread.

    PyTorch and faiss divide their work among the threads of OpenMP. A forked process has none of these threads, and would wait
    for them without end. With one thread, nothing is divided.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_one_thread)


def _one_thread() -> None:
    torch.set_num_threads(1)
    if (faiss := sys.modules.get("faiss")) is not None:
        faiss.omp_set_num_threads(1)
