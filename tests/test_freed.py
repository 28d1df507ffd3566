"""Freed memory is given back to the system, and only when the process has grown."""

import ctypes
import sys
from pathlib import Path

import pytest

from elq import freed
from elq.freed import FreedMemory, anonymous_memory

MIB = 2**20
needs_glibc = pytest.mark.skipif(freed._malloc_trim() is None, reason="only glibc keeps freed memory in this way")


def fragmented(mebibytes: int) -> int:
    """Take blocks of 64 KiB, write to all of them, and free all but the last, which the heap then ends with; its address."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    blocks = [library.malloc(2**16) for _ in range(16 * mebibytes)]
    for block in blocks:
        ctypes.memset(block, 1, 2**16)
    for block in blocks[:-1]:
        library.free(block)
    return blocks[-1]


@needs_glibc
def test_freed_memory_is_given_back():
    FreedMemory(0).give_back()
    before = anonymous_memory()
    last = fragmented(200)
    kept = anonymous_memory()
    assert kept > before + 150 * MIB  # glibc keeps it
    assert FreedMemory(0).give_back()
    assert anonymous_memory() < kept - 150 * MIB
    ctypes.CDLL(None).free(ctypes.c_void_p(last))


@needs_glibc
def test_memory_in_use_is_looked_through_once():
    memory = FreedMemory(64 * MIB)
    assert memory.give_back()  # the first time, all of the process has grown
    assert not memory.give_back()
    used = b"x" * (128 * MIB)
    assert memory.give_back()
    assert not memory.give_back()
    assert len(used) == 128 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this file")
def test_anonymous_memory_is_that_of_the_kernel():
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    assert abs(anonymous_memory() - int(status["RssAnon"].split()[0]) * 1024) < 8 * MIB


def test_nothing_is_done_where_the_system_does_not_say_it(monkeypatch, tmp_path):
    monkeypatch.setattr(freed, "STATE", tmp_path / "none")
    assert anonymous_memory() == 0
    assert not FreedMemory(0).give_back()
