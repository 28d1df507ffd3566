"""Runtimes: encoders that ONNX Runtime or OpenVINO compute from an exported file."""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elq.encoding.transformer import Encoder
from elq.errors import ElqError
from elq.tensors import Array

Run = Callable[[Array, Array], Array]  # ids (B, T) and attention (B, T), both int64 → token vectors (B, T, D) fp32

OF_PARENTS: list[Any] = []  # what a process had opened before it was forked; it would fail if it were closed


class ExportedEncoder(Encoder):
    """An encoder that is computed from an exported file: ids (B, T) → token vectors (B, T, D), on the CPU.

    It has as many threads as torch has when the file is opened. A forked process opens the file again. Several threads may use
    it. It has no weights that could be trained or saved.

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
        return torch.from_numpy(self._run()(ids.numpy(), attention.long().numpy()))  # (B, T, D)

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


def open_onnx(file: Path, dtype: str, threads: int) -> Run:
    """Open a file with ONNX Runtime. The number format is that of the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread sleeps
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(ids: Array, attention: Array) -> Array:
        return np.asarray(session.run(["hidden"], {"ids": ids, "attention": attention})[0])

    return run


def open_openvino(file: Path, dtype: str, threads: int) -> Run:
    """Open a file with OpenVINO, which computes in the given number format."""
    openvino = without_reports()
    settings = {
        **{"INFERENCE_PRECISION_HINT": "bf16" if dtype == "bf16" else "f32", "PERFORMANCE_HINT": "LATENCY"},
        "INFERENCE_NUM_THREADS": threads,
    }
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    own = threading.local()  # a request computes one batch at a time, so each thread has its own

    def run(ids: Array, attention: Array) -> Array:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return np.asarray(own.request.infer({"ids": ids, "attention": attention})[0])

    return run


def without_reports() -> Any:
    """The module openvino, which by default reports each use to its makers over the Internet, and here does not."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it then takes its own empty one
    import openvino

    return openvino


OPENERS: Mapping[str, Callable[[Path, str, int], Run]] = {"onnx": open_onnx, "openvino": open_openvino}
