"""Runtimes: encoders that ONNX Runtime or OpenVINO compute from an exported file."""

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elq.encoding.transformer import Encoder
from elq.errors import ElqError
from elq.tensors import Array

Values = Callable[[], Array]  # waits for the token vectors (B, T, D) fp32, and returns them
Run = Callable[[Array, Array], Values]  # begins with ids (B, T) and attention (B, T), both int64

SMALL = 150_000_000  # bytes of an exported encoder: MiniLM has 90 MB, BERT-base 440 MB
OF_PARENTS: list[Any] = []  # what a process had opened before it was forked; it would fail if it were closed


class ExportedEncoder(Encoder):
    """An encoder that is computed from an exported file: ids (B, T) → token vectors (B, T, D), on the CPU.

    It has as many threads as torch has when the file is opened; if it is small, each of several calls has one of them. A forked
    process opens the file again. Several threads may use it. It has no weights that could be trained or saved.

    Args:
        encoder: the torch encoder from which the file was made. Its configuration is kept, and its weights are not.
        file: the exported file.
        backend: ``onnx`` or ``openvino``.
        dtype: the number format, see elq/encoding/computing.py.

    Raises:
        ElqError: the file cannot be opened.
    """

    def __init__(self, encoder: Encoder, file: Path, *, backend: str, dtype: str) -> None:
        nn.Module.__init__(self)
        self._values, self.file, self.backend, self.dtype = encoder.config, file, backend, dtype
        self._opened = (os.getpid(), self._open())

    @property
    def config(self) -> dict[str, Any]:
        """The transformers configuration as plain values."""
        return self._values

    @property
    def width(self) -> int:
        """D, the width of a token vector."""
        return int(self._values["hidden_size"])

    @property
    def padding(self) -> int:
        """The vocabulary id of the padding token."""
        return int(self._values.get("pad_token_id") or 0)

    def forward(self, ids: Tensor, attention: Tensor, types: Tensor | None = None) -> Tensor:
        """Token vectors (B, T, D) in fp32, from ids (B, T) and attention (B, T), which is False on padding.

        The exported file has no input for token types, so ``types`` must be None.
        """
        assert types is None
        return self.begun(ids, attention)()  # (B, T, D)

    def begun(self, ids: Tensor, attention: Tensor) -> Callable[[], Tensor]:
        """Begin to encode, and return a function that waits for the token vectors; the backend ``onnx`` only begins then."""
        values = self._run()(ids.numpy(), attention.long().numpy())
        return lambda: torch.from_numpy(values())  # (B, T, D)

    def _run(self) -> Run:
        if self._opened[0] != os.getpid():  # the threads that would compute were not forked
            OF_PARENTS.append(self._opened)
            self._opened = (os.getpid(), self._open())
        return self._opened[1]

    def _open(self) -> Run:
        try:
            return OPENERS[self.backend](self.file, self.dtype, torch.get_num_threads())
        except ModuleNotFoundError:
            raise
        except Exception as error:  # of any kind that the libraries raise
            reason = " ".join(str(error).split())[:200]
            raise ElqError(f"{self.file} cannot be opened ({reason}): make it again by `elq export`") from None


def is_small(file: Path) -> bool:
    """Whether an exported encoder is so small that several threads need as long for a short question as one thread.

    Then each call gets one thread, and calls from several threads run side by side.
    """
    return file.with_suffix(".bin" if file.suffix == ".xml" else file.suffix).stat().st_size < SMALL


def open_onnx(file: Path, dtype: str, threads: int) -> Run:
    """Open a file with ONNX Runtime. The number format is that of the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1 if is_small(file) else threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread sleeps
    session = onnxruntime.InferenceSession(
        str(file),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["SkipLayerNormFusion"],  # the fused operation is slower than the two that it replaces
    )

    def run(ids: Array, attention: Array) -> Values:
        return lambda: np.asarray(session.run(["hidden"], {"ids": ids, "attention": attention})[0])

    return run


def open_openvino(file: Path, dtype: str, threads: int) -> Run:
    """Open a file with OpenVINO, which computes in the given number format."""
    openvino = without_reports()
    settings = {
        **{"INFERENCE_PRECISION_HINT": "bf16" if dtype == "bf16" else "f32", "PERFORMANCE_HINT": "LATENCY"},
        **{"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads if is_small(file) else 1},
        "ENABLE_CPU_PINNING": False,  # a thread that is bound to a core waits for the programs that use it
    }
    with own_signal_stack():
        compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    own = threading.local()  # a request computes one batch at a time, so each thread has its own

    def run(ids: Array, attention: Array) -> Values:
        request = own.__dict__.pop("request", None) or compiled.create_infer_request()
        request.start_async({"ids": ids, "attention": attention}, share_inputs=True)

        def values() -> Array:
            request.wait()
            found = np.array(request.get_output_tensor(0).data)  # a copy, since the next batch is written to the same memory
            own.request = request
            return found

        return values

    return run


class SignalStack(ctypes.Structure):
    """The memory in which a thread of Linux handles signals: ``stack_t`` of sigaltstack(2)."""

    _fields_ = (("ss_sp", ctypes.c_void_p), ("ss_flags", ctypes.c_int), ("ss_size", ctypes.c_size_t))


@contextmanager
def own_signal_stack() -> Iterator[None]:
    """Give the thread back the signal stack that it had before.

    OpenVINO gives the thread that opens a model another one, and frees it with the model. Where models are not closed in the
    reverse order, the thread would keep a freed one, and the next signal, such as that of an ended child, would kill it.
    """
    if sys.platform != "linux":
        yield
        return
    change, before = ctypes.CDLL(None).sigaltstack, SignalStack()
    change(None, ctypes.byref(before))
    try:
        yield
    finally:
        change(ctypes.byref(before), None)


def without_reports() -> Any:
    """The module openvino, which by default reports each use to its makers over the Internet, and here does not."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it then takes its own empty one
    import openvino

    return openvino


OPENERS: Mapping[str, Callable[[Path, str, int], Run]] = {"onnx": open_onnx, "openvino": open_openvino}
