"""Exports: the files from which other programs than torch compute the encoder of a model, and where they are.

    encoder.onnx                 backend onnx, fp32
    encoder.int8.onnx            backend onnx, int8
    encoder.xml  encoder.bin     backend openvino, fp32 and bf16
    exports.json                 for each file, the sha256 sum of the weights from which it was made

They stand beside the weights in the model folder. Those of the model in the package stand in the cache, under the sha256 sum.
`elq export` makes them.
"""

import json
from pathlib import Path

from elq.cache import cache_folder
from elq.encoding.computing import Computing
from elq.encoding.device import resolve_device
from elq.encoding.half import multiply_in_bf16
from elq.encoding.pretrained import GENERAL, WEIGHTS
from elq.encoding.runtimes import ExportedEncoder
from elq.entities.manifest import refuse_links_out
from elq.errors import ElqError
from elq.files import digest_of
from elq.model.network import ELQ

EXPORTS = "exports.json"
CACHED = "exports"  # folder in the cache
FILES = {
    ("onnx", "fp32"): ("encoder.onnx",),
    ("onnx", "int8"): ("encoder.int8.onnx",),
    ("openvino", "fp32"): ("encoder.xml", "encoder.bin"),
    ("openvino", "bf16"): ("encoder.xml", "encoder.bin"),
}


def open_network(model: Path, computing: Computing) -> ELQ:
    """The network of a model folder, with an encoder that computes as it is said.

    Args:
        model: the model folder.
        computing: the device, the backend and the number format.

    Raises:
        ElqError: there is no such device, backend or number format, or the folder lacks a file or has one of other weights.
    """
    how = computing.checked()
    file = None if how.backend == "torch" else exported_file(model, how)
    network = ELQ.from_pretrained(model)
    if file is not None:
        network.encoder = ExportedEncoder(network.encoder, file, backend=how.backend, dtype=how.dtype)
    elif how.dtype == "bf16":
        multiply_in_bf16(network.encoder)
    return network.to(resolve_device(how.device))


def weights_of(model: Path) -> str:
    """The sha256 sum of the weights of a model folder and of their configuration."""
    return digest_of([model / "model.safetensors", model / "config.json"])


def export_folder(model: Path) -> Path:
    """Where the exports of a model folder are made: in the folder; for the model in the package, in the cache."""
    return _cached(weights_of(model)) if model == WEIGHTS else model


def _cached(weights: str) -> Path:
    return cache_folder() / CACHED / weights[:32]


def exported_file(model: Path, how: Computing) -> Path:
    """The exported file of a model folder.

    Args:
        model: the model folder.
        how: the backend, which is not torch, and the number format.

    Raises:
        ElqError: there is no such file, or it was made from other weights than the folder has now.
    """
    names = FILES[how.backend, how.dtype]
    name = GENERAL if model == WEIGHTS else str(model)
    remedy = f"make it by `elq export --model {name} --format {how.backend}{' --dtype int8' * (how.dtype == 'int8')}`"
    weights = weights_of(model)
    for folder in (model, _cached(weights)):
        refuse_links_out(folder, names)
        said = exports_of(folder).get(names[0])
        if said is None or not all((folder / each).is_file() for each in names):
            continue
        if said != weights:
            raise ElqError(f"{folder / names[0]} was made from other weights than {name} has now: {remedy}")
        return folder / names[0]
    raise ElqError(f"{name} has no {names[0]}, which the backend {how.backend} with dtype {how.dtype} needs: {remedy}")


def exports_of(folder: Path) -> dict[str, str]:
    """Exported file → the sha256 sum of the weights from which it was made. Empty if the folder has none, or a wrong list."""
    try:
        found = json.loads((folder / EXPORTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
