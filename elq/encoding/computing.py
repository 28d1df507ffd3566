"""Computing: where and with what an encoder computes: the device, the backend and the number format."""

from dataclasses import dataclass

from elq.encoding.device import chosen_device, resolve_device, resolve_precision
from elq.errors import ElqError

DTYPES = {"torch": ("fp32", "bf16"), "onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16")}  # the number formats of a backend


@dataclass(frozen=True, slots=True)
class Computing:
    """Where and with what an encoder computes.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1``, …; ``auto`` is the first of ``cuda``, ``mps`` and ``cpu`` that torch can use. The
            backends ``onnx`` and ``openvino`` compute on the CPU.
        backend: ``torch``; or ``onnx`` (ONNX Runtime) or ``openvino``, for which `elq export` makes a file.
        dtype: the number format: ``fp32``; ``bf16`` with torch and OpenVINO; ``int8`` with ONNX; ``auto`` is bf16 where the
            backend has it and the processor supports it, else fp32.
    """

    device: str = "cpu"
    backend: str = "torch"
    dtype: str = "fp32"

    def checked(self) -> "Computing":
        """The same choice with no ``auto`` in it.

        Raises:
            ElqError: there is no such device or backend, or the backend has no such number format.
        """
        check_format(self.backend, self.dtype)
        device = "cpu" if self.device == "auto" and self.backend != "torch" else str(resolve_device(self.device))
        if self.backend != "torch" and device != "cpu":
            raise ElqError(
                f"the backend {self.backend} computes on the CPU, but the device is {self.device}: leave out the device, or"
                " choose the backend torch"
            )
        dtype = self.dtype
        if dtype == "auto":
            dtype = resolve_precision("auto", chosen_device(device)) if "bf16" in DTYPES[self.backend] else "fp32"
        return Computing(device, self.backend, dtype)


def check_format(backend: str, dtype: str) -> None:
    """Raise ElqError if there is no such backend, or if it has no such number format."""
    if backend not in DTYPES:
        raise ElqError(f"the backend is {backend!r}, but must be one of {', '.join(DTYPES)}: choose one of them")
    if dtype not in (*DTYPES[backend], "auto"):
        raise ElqError(
            f"the dtype is {dtype!r}, but the backend {backend} has {', '.join(DTYPES[backend])} and auto: choose one of them"
        )
