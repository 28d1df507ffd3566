"""Times of the encoder alone: torch, ONNX Runtime and OpenVINO in several number formats, in one run, as ratios.

    pip install onnx onnxruntime openvino
    python benchmarks/encoder.py minilm FOLDER
    python benchmarks/encoder.py bert-large FOLDER --rounds 10

``minilm`` is the encoder of the general model; ``bert-large`` has the shapes of BERT-large and random weights. FOLDER holds the
exported files. Each round calls every way once, so that all share the load of the machine. The figure is the median. On a
machine that others use, ``--threads 1 --cpu`` counts the time of the processor instead of the clock.
"""

import argparse
import copy
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import numpy as np
import torch

from elq.encoding.pretrained import WEIGHTS
from elq.encoding.runtimes import without_reports
from elq.encoding.transformer import Encoder
from elq.model.network import ELQ

SHAPES = ((1, 12), (8, 16), (64, 16))  # questions × tokens
LARGE = {
    **{"model_type": "bert", "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
    **{"intermediate_size": 4096, "vocab_size": 30522, "max_position_embeddings": 512, "pad_token_id": 0},
}
Run = Callable[[torch.Tensor, torch.Tensor], Any]


class Exported(torch.nn.Module):
    """The encoder as the exporters see it: the attention is int64."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        return self.encoder(ids, attention.bool())


class Half(torch.nn.Module):
    """A linear layer that multiplies in bf16; what is around it stays fp32."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight.detach().bfloat16(), linear.bias.detach().bfloat16()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(values.bfloat16(), self.weight, self.bias)


def with_half_linears(encoder: Encoder) -> Encoder:
    made = copy.deepcopy(encoder)
    for module in [*made.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, torch.nn.Linear):
                setattr(module, name, Half(child))
    return made


def example() -> tuple[torch.Tensor, torch.Tensor]:
    attention = torch.ones(2, 9, dtype=torch.int64)
    attention[1, 6:] = 0
    return torch.randint(1000, 2000, (2, 9)), attention


def export(encoder: Encoder, file: Path) -> Path:
    axes = {name: {0: "b", 1: "t"} for name in ("ids", "attention", "hidden")}
    if not file.is_file():
        torch.onnx.export(
            Exported(encoder).eval(),
            example(),
            file,
            input_names=["ids", "attention"],
            output_names=["hidden"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    return file


class Batches:
    """Random questions, with which a static quantisation is calibrated."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        ids = [generator.integers(1000, 20000, (8, 16)) for _ in range(8)]
        self.left = [{"ids": each, "attention": np.ones_like(each)} for each in ids]

    def get_next(self) -> dict[str, Any] | None:
        return self.left.pop() if self.left else None


def quantised(file: Path, kind: str) -> Path:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    made, prepared = file.with_stem(f"{file.stem}-{kind}"), file.with_stem(f"{file.stem}-prepared")
    if made.is_file():
        return made
    large = file.stat().st_size > 1e9
    quant_pre_process(file, prepared, skip_symbolic_shape=True, skip_optimization=large)
    settings: dict[str, Any] = {"op_types_to_quantize": ["MatMul"], "weight_type": QuantType.QInt8, "per_channel": True}
    if kind == "dynamic":
        quantize_dynamic(prepared, made, **settings)
    else:
        reader = type("Reader", (Batches, CalibrationDataReader), {})()
        extra = {"MatMulConstBOnly": True}
        quantize_static(prepared, made, reader, quant_format=QuantFormat.QDQ, extra_options=extra, **settings)
    prepared.unlink()
    return made


def with_runtime(file: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda ids, attention: session.run(None, {"ids": ids.numpy(), "attention": attention.numpy()})[0]


def with_openvino(model: Any, precision: str) -> Run:
    openvino = without_reports()
    core = openvino.Core()
    settings = {
        **{"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"},
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda ids, attention: request.infer([ids.numpy(), attention.numpy()])[0]


def with_torch(encoder: Encoder, *, autocast: bool = False) -> Run:
    def run(ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return encoder(ids, attention.bool())

    return run


def ways(encoder: Encoder, folder: Path, *, compiled: bool, static: bool) -> Iterator[tuple[str, Run]]:
    yield "torch fp32", with_torch(encoder)
    yield "torch bf16, autocast", with_torch(encoder, autocast=True)
    yield "torch bf16, all weights", with_torch(copy.deepcopy(encoder).bfloat16())
    yield "torch bf16, linear layers", with_torch(with_half_linears(encoder))
    if compiled:
        yield "torch fp32, compiled", with_torch(torch.compile(encoder, dynamic=True))
        yield "torch bf16, linear layers, compiled", with_torch(torch.compile(with_half_linears(encoder), dynamic=True))
    openvino = without_reports()
    model = openvino.convert_model(Exported(encoder).eval(), example_input=example())
    yield "OpenVINO fp32", with_openvino(model, "f32")
    yield "OpenVINO bf16", with_openvino(model, "bf16")
    del model
    file = export(encoder, folder / "encoder.onnx")
    yield "ONNX Runtime fp32", with_runtime(file)
    yield "ONNX Runtime int8, dynamic", with_runtime(quantised(file, "dynamic"))
    if not static:
        return
    file = quantised(file, "static")
    yield "ONNX Runtime int8, static", with_runtime(file)
    yield "OpenVINO int8, the rest fp32", with_openvino(file, "f32")
    yield "OpenVINO int8, the rest bf16", with_openvino(file, "bf16")


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    known = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx512_fp16", "amx_bf16", "amx_int8")
    return f"{platform.processor() or platform.machine()}, flags: {' '.join(flag for flag in known if flag in flags)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoder", choices=("minilm", "bert-large"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="measure the time of the processor, not of the clock")
    parser.add_argument("--no-static", action="store_true", help="leave out the int8 models with static scales")
    parser.add_argument("--compile", action="store_true", help="also torch.compile, which needs a C++ compiler")
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    encoder = (Encoder(LARGE) if options.encoder == "bert-large" else ELQ.from_pretrained(WEIGHTS).encoder).eval()
    runs = []
    for name, run in ways(encoder, options.folder, compiled=options.compile, static=not options.no_static):
        start = time.perf_counter()
        run(*example())
        print(f"{name}: ready, first call {time.perf_counter() - start:.1f} s", flush=True)
        runs.append((name, run))
    print(f"{processor()}; {options.threads} threads; load {os.getloadavg()[0]:.1f}", flush=True)
    for batch, tokens in SHAPES:
        inputs = torch.randint(1000, 20000, (batch, tokens)), torch.ones(batch, tokens, dtype=torch.int64)
        for _, run in runs:
            run(*inputs)
        times: dict[str, list[float]] = {name: [] for name, _ in runs}
        for _ in range(options.rounds):
            for name, run in runs:
                start = clock()
                run(*inputs)
                times[name].append(clock() - start)
        print(f"\n{batch} × {tokens} tokens, load {os.getloadavg()[0]:.1f}")
        print("| way | ms | best ms | × torch fp32 |\n|---|---|---|---|")
        base = median(times["torch fp32"])
        for name, each in times.items():
            print(f"| {name} | {median(each) * 1e3:.2f} | {min(each) * 1e3:.2f} | {base / median(each):.2f} |", flush=True)


if __name__ == "__main__":
    main()
