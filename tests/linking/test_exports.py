"""Encoders that other programs than torch compute, and those in bf16, give the vectors and links of torch in fp32."""

import copy
import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from elq import ElqError, Linker
from elq.commands import run
from elq.encoding import runtimes
from elq.encoding.computing import Computing
from elq.encoding.fused import FusedAttention, fuse_attention
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.smooth import APART, largest_inputs, linear_layers, smooth
from elq.linking.decision import Decision
from elq.linking.exporting import export_encoder
from elq.linking.exports import EXPORTS, exported_file, open_network
from elq.linking.general import STARTER
from elq.model.network import ELQ
from elq.training.export import export_folder
from tests.conftest import QUESTIONS, write_encoder
from tests.test_base_install import command_on_a_base_install

TEXTS = [text for text, _, _ in QUESTIONS]
WAYS = {  # backend and number format → the largest difference of a value, of some 1
    ("torch", "bf16"): 0.1,
    ("onnx", "fp32"): 1e-5,
    ("onnx", "int8"): 0.1,
    ("openvino", "fp32"): 1e-5,
    ("openvino", "bf16"): 0.1,
}
EXPORTED = ("onnx", "fp32"), ("onnx", "int8"), ("openvino", "fp32")


@pytest.fixture(scope="module")
def folder(encoder_folder, tokenizer, entities, entities_folder, tmp_path_factory) -> Path:
    """A model folder with every export."""
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval()
    made = tmp_path_factory.mktemp("exports") / "m"
    export_folder(made, model, tokenizer, entities, entities_folder, Decision(threshold=-6.0, candidates=3))
    for backend, dtype in EXPORTED:
        export_encoder(made, backend, dtype, questions=TEXTS)
    return made


def places(answers) -> list:
    return [[(link.start, link.end, link.entity) for link in links] for links in answers]


@pytest.mark.parametrize(("backend", "dtype"), WAYS)
def test_the_token_vectors_are_those_of_torch(folder, tokenizer, backend, dtype):
    tokens, one = tokenizer(TEXTS), tokenizer(["a"])
    want, network = ELQ.from_pretrained(folder), open_network(folder, Computing("cpu", backend, dtype))
    assert (network.encoder.backend, network.encoder.dtype) == (backend, dtype)
    assert (network.encoder.width, network.encoder.max_tokens, network.encoder.padding) == (32, 64, 0)
    with torch.inference_mode():
        for batch in (tokens, one):
            difference = (want.encode(batch) - network.encode(batch))[batch.attention].abs().max()
            assert difference < WAYS[backend, dtype]
            assert difference > 0 or dtype == "fp32"


def test_fused_attention_has_the_values_of_the_attention(folder, tokenizer):
    plain = ELQ.from_pretrained(folder).encoder
    for name, value in plain.named_parameters():
        if name.endswith("bias"):  # they are 0 in a network that was not trained
            torch.nn.init.normal_(value)
    fused = copy.deepcopy(plain)
    fuse_attention(fused)
    assert all(isinstance(layer.attention["self"], FusedAttention) for layer in fused.transformer.encoder["layer"])
    with torch.inference_mode():
        for tokens in (tokenizer(TEXTS), tokenizer(["a"])):  # with and without padding
            assert tokens.attention.all() == (len(tokens.ids) == 1)
            want, found = (encoder(tokens.ids, tokens.attention) for encoder in (plain, fused))
            assert torch.allclose(want[tokens.attention], found[tokens.attention], atol=1e-6)


@pytest.mark.parametrize("name", ["encoder.onnx", "encoder.int8.onnx"])
def test_each_layer_of_a_file_has_one_operation_for_attention(folder, name):
    import onnx

    operations = [node.op_type for node in onnx.load(folder / name).graph.node]
    assert operations.count("MultiHeadAttention") == len(ELQ.from_pretrained(folder).encoder.transformer.encoder["layer"])
    assert "Softmax" not in operations


def test_attention_of_another_encoder_is_not_fused(folder):
    encoder = ELQ.from_pretrained(folder).encoder
    encoder.transformer = torch.nn.Identity()
    fuse_attention(encoder)
    assert isinstance(encoder.transformer, torch.nn.Identity)


@pytest.mark.parametrize(("backend", "dtype"), [("onnx", "fp32"), ("openvino", "fp32")])
def test_a_text_beyond_the_limit_is_encoded_in_windows(folder, backend, dtype):
    tokens = load_tokenizer(folder)(["who directed titanic " * 40, "paris"])
    assert tokens.ids.shape[1] > 64
    want, network = ELQ.from_pretrained(folder), open_network(folder, Computing("cpu", backend, dtype))
    with torch.inference_mode():
        assert torch.allclose(want.encode(tokens), network.encode(tokens), atol=1e-5)


@pytest.mark.parametrize(("backend", "dtype"), EXPORTED)
def test_a_large_encoder_has_all_threads_for_each_call_and_the_same_values(folder, backend, dtype, monkeypatch):
    tokens, threads = load_tokenizer(folder)(TEXTS), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        small = open_network(folder, Computing("cpu", backend, dtype))
        monkeypatch.setattr(runtimes, "SMALL", 0)
        large = open_network(folder, Computing("cpu", backend, dtype))
    finally:
        torch.set_num_threads(threads)
    with ThreadPoolExecutor(2) as pool:
        found = [*pool.map(lambda network: network.encode(tokens), [small, small, large, large])]
    assert all(torch.allclose(found[0], other, atol=1e-5) for other in found[1:])


@pytest.mark.parametrize(("backend", "dtype"), WAYS)
def test_a_pickled_linker_keeps_its_backend(folder, backend, dtype):
    linker = Linker.from_pretrained(folder, backend=backend, dtype=dtype)
    again = pickle.loads(pickle.dumps(linker))
    assert (again.model.encoder.backend, again.model.encoder.dtype) == (backend, dtype)
    assert places(again.link(TEXTS)) == places(linker.link(TEXTS))


def answer(linker: Linker, queue: "multiprocessing.SimpleQueue") -> None:
    queue.put(places(linker.link(TEXTS)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_forked_process_links_too(folder, backend):
    threads, context = torch.get_num_threads(), multiprocessing.get_context("fork")
    torch.set_num_threads(2)
    linker = Linker.from_pretrained(folder, backend=backend)
    here, queue = places(linker.link(TEXTS)), context.SimpleQueue()
    torch.set_num_threads(threads)
    child = context.Process(target=answer, args=(linker, queue))
    child.start()
    child.join(60)
    if child.exitcode is None:
        child.kill()
    assert child.exitcode == 0
    assert queue.get() == here


SIGNAL = """
import gc, os, signal, sys
from pathlib import Path
from elq.encoding.runtimes import open_openvino
received = []
signal.signal(signal.SIGUSR1, lambda *_: received.append(1))
opened = [open_openvino(Path(sys.argv[1]), "fp32", 1) for _ in range(3)]
while opened:
    del opened[0]  # the oldest first
    gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
print("received", len(received))
"""


def test_a_process_receives_signals_after_encoders_of_openvino_were_closed(folder):
    command = [sys.executable, "-X", "faulthandler", "-c", SIGNAL, str(folder / "encoder.xml")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (child.returncode, child.stdout) == (0, "received 1\n"), child.stderr


def test_the_links_of_the_starter_are_the_same_through_every_backend(tmp_path, monkeypatch):
    """The general model, on 50 questions of the starter. Its exports stand in the cache."""
    lines = STARTER.with_name("test.jsonl").read_text(encoding="utf-8").splitlines()[:50]
    texts = [json.loads(line)["text"] for line in lines]
    linker = Linker.from_catalogue()
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path))
    with pytest.raises(ElqError, match=r"elq/general has no encoder.xml, .*`elq export --model elq/general --format openvino`"):
        Linker.from_pretrained("elq/general", backend="openvino")
    for backend, dtype in EXPORTED:
        assert export_encoder("elq/general", backend, dtype, questions=texts[:16]).is_relative_to(tmp_path)
    want, found = places(linker.link(texts)), {}
    for backend, dtype in WAYS:
        network = open_network(Path(linker.folders[0]), Computing("cpu", backend, dtype))
        linker.model.encoder = network.encoder
        found[backend, dtype] = places(linker.link(texts))
    same = {way: sum(a == b for a, b in zip(links, want, strict=True)) for way, links in found.items()}
    assert all(number == 50 for (_, dtype), number in same.items() if dtype == "fp32")
    assert all(number >= 49 for (_, dtype), number in same.items() if dtype == "bf16")
    assert same["onnx", "int8"] >= 47


def test_an_export_of_other_weights_is_refused(folder, tmp_path, encoder_folder):
    shutil.copytree(folder, tmp_path / "m")
    values = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(values))  # other bytes, so another sum
    for backend, dtype in WAYS:
        if backend != "torch":
            with pytest.raises(ElqError, match=r"was made from other weights than .* has now: make it by `elq export --model"):
                Linker.from_pretrained(tmp_path / "m", backend=backend, dtype=dtype)
    (tmp_path / "m" / EXPORTS).write_text("no JSON")
    with pytest.raises(ElqError, match=r"has no encoder.onnx, which the backend onnx with dtype fp32 needs: make it by"):
        Linker.from_pretrained(tmp_path / "m", backend="onnx")


@pytest.mark.parametrize(("backend", "name"), [("onnx", "encoder.onnx"), ("openvino", "encoder.xml")])
def test_a_damaged_export_is_one_sentence(folder, tmp_path, backend, name):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / name).write_bytes((tmp_path / "m" / name).read_bytes()[:300])
    with pytest.raises(ElqError, match=r"cannot be opened \(.*\): make it again by `elq export`"):
        Linker.from_pretrained(tmp_path / "m", backend=backend)


def test_an_export_is_not_read_through_a_link_out_of_the_folder(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "encoder.onnx").unlink()
    (tmp_path / "m" / "encoder.onnx").symlink_to(folder / "encoder.onnx")
    with pytest.raises(ElqError, match="outside the folder"):
        exported_file(tmp_path / "m", Computing(backend="onnx"))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"backend": "tensorrt"}, "the backend is 'tensorrt', but must be one of torch, onnx, openvino"),
        ({"backend": "onnx", "dtype": "bf16"}, "the dtype is 'bf16', but the backend onnx has fp32, int8 and auto"),
        ({"dtype": "int8"}, "the dtype is 'int8', but the backend torch has fp32, bf16 and auto"),
        ({"backend": "openvino", "device": "meta"}, "the backend openvino computes on the CPU, but the device is meta"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(folder, choice, message):
    with pytest.raises(ElqError, match=message):
        Linker.from_pretrained(folder, **choice)


def test_auto_is_bf16_where_there_is_bf16(monkeypatch):
    for there in (True, False):
        monkeypatch.setattr("elq.encoding.computing.resolve_precision", lambda *_, has=there: "bf16" if has else "fp32")
        assert Computing("cpu", "openvino", "auto").checked().dtype == ("bf16" if there else "fp32")
        assert Computing("auto", "onnx", "auto").checked() == Computing("cpu", "onnx", "fp32")


def test_smooth_layers_have_the_same_results_and_smaller_largest_inputs(tmp_path, tokenizer):
    from elq.encoding.transformer import Encoder

    encoder, tokens = Encoder.from_pretrained(write_encoder(tmp_path)).eval(), tokenizer(TEXTS)
    with torch.no_grad():
        encoder.transformer.embeddings.LayerNorm.weight[3] = 40.0  # a column with large values
    names, before = {*linear_layers(encoder)}, largest_inputs(encoder, [tokens])
    with torch.inference_mode():
        want = encoder(tokens.ids, tokens.attention)
        smooth(encoder, before)
        assert torch.allclose(encoder(tokens.ids, tokens.attention), want, atol=1e-4)
    assert names == {*before}
    assert not linear_layers(encoder)
    first = encoder.transformer.encoder.layer[0].attention.self.query
    one = before[next(name for name in names if name.endswith("layer.0.attention.self.query"))]
    after = one * first.inverse
    assert one.max() / one.median() > 3 * after.max() / after.median()
    second = encoder.transformer.encoder.layer[0].output.dense
    large = before[next(name for name in names if name.endswith("layer.0.output.dense"))]
    assert len(second.outliers) == len(large) // APART > 0
    assert large[second.outliers].min() >= large[second.others.bool()].max()  # the others are never larger
    assert float(second.weight.numpy(force=True)[:, second.outliers.numpy()].max()) == 0.0


def test_outliers_stay_fp32_in_an_int8_file(folder):
    """The products of outliers have fp32 weights, one for each second layer of a feed-forward block; all others are int8."""
    import onnx

    graph = onnx.load(folder / "encoder.int8.onnx").graph
    weights = {weight.name: weight for weight in graph.initializer}
    kinds = {node.op_type: [] for node in graph.node}
    for node in graph.node:
        kinds[node.op_type] += [weights[name] for name in node.input if name in weights and len(weights[name].dims) == 2]
    layers = ELQ.from_pretrained(folder).encoder.transformer.encoder.layer
    inside = layers[0].output.dense.in_features // APART
    assert [tuple(weight.dims) for weight in kinds["MatMul"]] == [(inside, layers[0].output.dense.out_features)] * len(layers)
    assert {weight.data_type for weight in kinds["MatMulInteger"]} == {onnx.TensorProto.INT8}
    assert len(kinds["MatMulInteger"]) == 6 * len(layers)


def test_the_commands(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "m", ignore=shutil.ignore_patterns("encoder.*", EXPORTS))
    model = str(tmp_path / "m")
    assert run("predict", ["--model", model, "--backend", "openvino", TEXTS[0]]) == 2
    assert f"make it by `elq export --model {model} --format openvino`" in capsys.readouterr().err
    assert run("export", ["--model", model, "--format", "openvino"]) == 0
    assert capsys.readouterr().out.strip() == f"{model}/encoder.xml"
    answers = []
    for choice in ([], ["--backend", "openvino"]):
        assert run("predict", ["--model", model, "--format", "jsonl", *choice, TEXTS[0]]) == 0
        answers.append([link["entity"] for link in json.loads(capsys.readouterr().out)["links"]])
    assert answers[0] == answers[1] != []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "blink"], "--format blink needs the folder to make: give --output DIR"),
        (["--format", "onnx", "--output", "x"], "--output is given, but only --format blink uses it"),
        (["--format", "onnx", "--questions", "x"], "--questions is given, but only --dtype int8 uses it"),
        (["--format", "openvino", "--dtype", "int8"], "the dtype is 'int8', but the backend openvino has fp32, bf16 and auto"),
    ],
)
def test_an_export_that_cannot_be_made_is_refused(folder, options, message, capsys):
    assert run("export", ["--model", str(folder), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("backend", "library"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_base_install_names_the_extra(folder, backend, library):
    done = command_on_a_base_install("predict", "--model", str(folder), "--backend", backend, TEXTS[0])
    assert done.returncode == 2
    assert f"this command needs {library}, which is not installed: pip install 'elq[{backend}]'" in done.stderr
