"""Exporting: writes the encoder of a model folder as a file for ONNX Runtime or OpenVINO."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from elq.encoding.computing import Computing
from elq.encoding.fused import DOMAIN, VERSION, fuse_attention
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.runtimes import without_reports
from elq.encoding.smooth import largest_inputs, smooth
from elq.encoding.transformer import Encoder
from elq.errors import ElqError
from elq.files import write_json, writing
from elq.linking.exports import EXPORTS, FILES, export_folder, exports_of, weights_of
from elq.linking.folder import resolve_model
from elq.model.network import ELQ

log = logging.getLogger(__name__)

OPSET = 17  # of ONNX
MOST = 2**31 - 1  # bytes of an ONNX file
QUESTIONS = 256  # questions with which int8 is calibrated
BATCH = 16


class _Plain(nn.Module):
    """The encoder as the exporters see it: all inputs are int64."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Tensor, attention: Tensor) -> Tensor:
        hidden: Tensor = self.encoder(ids, attention.bool())
        return hidden  # (B, T, D)


def export_encoder(model: str | Path, backend: str, dtype: str = "fp32", *, questions: Sequence[str] = ()) -> Path:
    """Write the encoder of a model as a file beside its weights; that of the model in the package into the cache.

    Args:
        model: the model folder, its name on the Hub, or ``elq/general``.
        backend: ``onnx`` or ``openvino``.
        dtype: ``int8`` (only onnx), or ``fp32``; with OpenVINO, the same file serves ``bf16`` too.
        questions: texts with which int8 is calibrated; the first 256 are used.

    Returns:
        The file.

    Raises:
        ElqError: the backend has no such number format, int8 has no questions, or the file cannot be written.
    """
    how, folder = Computing("cpu", backend, dtype).checked(), resolve_model(model)
    if how.backend == "torch":
        raise ElqError("the backend torch computes the weights as they are, so nothing is exported: give onnx or openvino")
    if how.dtype == "int8" and not questions:
        raise ElqError("int8 is calibrated on questions, but none is given: give questions like those that will be linked")
    encoder, names, target = ELQ.from_pretrained(folder).encoder.eval(), FILES[how.backend, how.dtype], export_folder(folder)
    if how.backend == "onnx":
        fuse_attention(encoder)
    if how.dtype == "int8":
        tokenizer, texts = load_tokenizer(folder, max_tokens=encoder.max_tokens), questions[:QUESTIONS]
        batches = [tokenizer(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        smooth(encoder, largest_inputs(encoder, batches))
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".exporting.", dir=target) as made:
            with _quietly():
                _write(encoder, Path(made) / names[0], how)
            for name in names:
                (Path(made) / name).replace(target / name)
        write_json(target / EXPORTS, exports_of(target) | {names[0]: weights_of(folder)})
    log.info("%s is complete", target / names[0])
    return target / names[0]


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out what the exporters say about the code that they trace, which no user can change."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write(encoder: Encoder, file: Path, how: Computing) -> None:
    attention = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])  # (2, 9)
    example = torch.full_like(attention, encoder.padding + 1), attention  # of another shape than most, with padding
    if how.backend == "openvino":
        openvino = without_reports()
        made = openvino.convert_model(_Plain(encoder).eval(), example_input=example)
        openvino.save_model(made, file, compress_to_fp16=False)
        return
    import onnx

    if (size := sum(each.numel() * 4 for each in encoder.parameters())) > MOST:
        raise ElqError(f"the encoder has {size:,} bytes, but a file of ONNX has at most {MOST:,}: export it to openvino")
    axes = {name: {0: "batch", 1: "tokens"} for name in ("ids", "attention", "hidden")}
    inputs, outputs = ["ids", "attention"], ["hidden"]
    plain = file if how.dtype == "fp32" else file.with_name("fp32.onnx")
    torch.onnx.export(
        _Plain(encoder).eval(),
        example,
        plain,
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=OPSET,
        custom_opsets={DOMAIN: VERSION},
        dynamo=False,  # the new exporter needs further libraries and a minute
    )
    if how.dtype == "int8":
        _quantise(plain, file, encoder.width)
    onnx.checker.check_model(str(file))


def _quantise(plain: Path, file: Path, width: int) -> None:
    """Turn the weights of linear layers into 8-bit numbers, with a scale for each output. Inputs are scaled batch by batch.

    Products with fewer inputs than D, the width of the encoder, stay fp32: those of the outliers (elq/encoding/smooth.py).
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = plain.with_name("prepared.onnx")
    quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True, skip_optimization=plain.stat().st_size > MOST // 2)
    graph = onnx.load(prepared).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}  # (D, E)
    linear = {node.name: shapes[node.input[1]] for node in graph.node if node.op_type == "MatMul" and node.input[1] in shapes}
    quantize_dynamic(
        prepared,
        file,
        op_types_to_quantize=["MatMul"],
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_quantize=[name for name, (inputs, _) in linear.items() if inputs >= width],
    )
