"""Import and export of the released layout: complete imports, refused files, interrupted imports, and the way back."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from elq import Linker
from elq.commands import run
from elq.entities.manifest import TABLE, Manifest
from elq.errors import ElqError
from elq.linking.folder import ENTITIES
from elq.model.network import ELQ
from elq.reading.torch_files import read_tensor, read_tensors
from elq.released.formats import ENTITY_TEXT, ReleasedParams, bert_tokenizer, read_params, read_released_entities
from elq.types import Entity
from tests.conftest import write_lines
from tests.releases import ROWS, WIDTH, flags, save

pytestmark = pytest.mark.usefixtures("quiet")


def test_an_imported_folder_links_from_the_command_line(imported, capsys):
    question = [
        "--model",
        str(imported),
        "--scoring",
        "elq",
        "--threshold",
        "-40",
        "--candidates",
        "5",
        "who directed the titanic?",
    ]
    assert run("predict", [*question, "--format", "jsonl"]) == 0
    links = json.loads(capsys.readouterr().out)["links"]
    assert links
    assert all(len(link["candidates"]) == 5 for link in links)
    assert run("info", [str(imported)]) == 0
    said = capsys.readouterr().out
    for fact in (
        f"{ROWS} (Q0 paris 0",
        "float32, by bert-tiny (cls, fp32)",
        "index             hnsw",
        "score mode elq, K = 10",
    ):
        assert fact in said
    assert "mentions of up to 5 tokens" in said  # the released 4, which meant 5


def test_where_questions_are_cut_is_a_choice(released, tmp_path):
    assert run("import", [*flags(released, tmp_path / "m"), "--question-tokens", "20"]) == 0
    assert Linker.from_pretrained(tmp_path / "m").tokenizer.max_tokens == 20
    assert ELQ.from_encoder(tmp_path / "m", question_tokens=16).config.question_tokens == 16
    assert run("import", [*flags(released, tmp_path / "n"), "--question-tokens", "2"]) == 2


def test_an_index_that_is_linked_needs_no_room(released, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    room = ROWS * WIDTH * 4 + 100
    monkeypatch.setattr("elq.entities.assembly.shutil.disk_usage", lambda path: usage._replace(free=room))
    assert run("import", flags(released, tmp_path / "m", index=released / "hnsw.pkl")) == 0


def test_scoring_is_a_choice_at_every_door(imported, capsys):
    texts = ["who directed the titanic?", "what is paris"]
    ours, theirs = (Linker.from_pretrained(imported, scoring=mode) for mode in ("candidates", "elq"))
    assert [theirs.tokenizer.max_tokens, ours.tokenizer.max_tokens] == [32, None]
    found = [linker.link(texts, threshold=-30.0) for linker in (ours, theirs)]
    assert found[0] != found[1]
    for mode, links in zip(("candidates", "elq"), found, strict=True):
        command = ["--model", str(imported), "--scoring", mode, "--threshold", "-30", "--format", "jsonl", *texts]
        assert run("predict", command) == 0
        lines = [json.loads(line)["links"] for line in capsys.readouterr().out.splitlines()]
        assert [[link["score"] for link in line] for line in lines] == [[link.score for link in some] for some in links]
    command = ["--model", str(imported), "--threshold", "-30", "--mentions", "1", "--format", "jsonl", *texts]
    assert run("predict", command) == 0
    assert all(len(json.loads(line)["links"]) == 1 for line in capsys.readouterr().out.splitlines())
    assert run("predict", ["--model", str(imported), "--mentions", "0", "x"]) == 2
    assert run("predict", ["--model", str(imported), "--scoring", "flat", "x"]) == 2
    assert "score mode 'flat' is unknown: choose one of candidates, table, shortlist, elq" in capsys.readouterr().err


def test_a_finished_import_is_up_to_date_and_another_one_is_refused(imported, released, capsys, caplog, tmp_path):
    caplog.set_level("INFO")
    before = (imported / "model.safetensors").stat().st_mtime_ns
    assert run("import", flags(released, imported, index=released / "hnsw.pkl")) == 0
    assert "is up to date" in caplog.text
    assert (imported / "model.safetensors").stat().st_mtime_ns == before
    assert run("import", flags(released, imported)) == 2  # without the index
    assert "exists and was made from other files: choose another output folder or remove it" in capsys.readouterr().err


def test_a_finished_import_reads_no_large_file_again(released, tmp_path, caplog):
    caplog.set_level("INFO")
    source = shutil.copytree(released, tmp_path / "release")
    command = flags(source, tmp_path / "m", index=source / "hnsw.pkl")
    assert run("import", command) == 0
    for name in ("elq.bin", "entity.jsonl", "table.t7", "hnsw.pkl"):
        stat = (source / name).stat()
        (source / name).unlink()  # the folder's graph is a link to it
        (source / name).write_bytes(bytes(stat.st_size))  # of the same size and time, and refused by whoever reads it
        os.utime(source / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert run("import", command) == 0
    assert "m is up to date" in caplog.text
    assert Linker.from_pretrained(tmp_path / "m").link("who directed the titanic?", threshold=-40.0)


def test_the_released_layout_comes_back_bit_for_bit(imported, released, tmp_path):
    assert run("export", ["--model", str(imported), "--format", "blink", "--output", str(tmp_path / "blink")]) == 0
    first, again = read_tensors(released / "elq.bin"), read_tensors(tmp_path / "blink" / "elq.bin")
    assert first.keys() == again.keys()
    for name, value in first.items():
        assert value.shape == again[name].shape
        assert ".pooler." in name or np.array_equal(value, again[name])
    assert np.array_equal(read_tensor(released / "table.t7"), read_tensor(tmp_path / "blink" / "all_entities.t7"))
    torch.testing.assert_close(
        torch.load(tmp_path / "blink" / "all_entities.t7", weights_only=True),
        torch.load(released / "table.t7", weights_only=True),
    )
    assert (
        read_params(tmp_path / "blink" / "elq_params.txt").max_span_tokens
        == read_params(released / "params.txt").max_span_tokens
    )
    entities = [[*read_released_entities(path)] for path in (released / "entity.jsonl", tmp_path / "blink" / "entity.jsonl")]
    assert entities[0] == entities[1]
    back = flags(tmp_path / "blink", tmp_path / "again")
    back[back.index("--params") + 1] = str(tmp_path / "blink" / "elq_params.txt")
    back[back.index("--encoder") + 1] = str(tmp_path / "blink" / "encoder")
    back[back.index("--table") + 1] = str(tmp_path / "blink" / "all_entities.t7")
    assert run("import", [*back, "--index", str(tmp_path / "blink" / "faiss_hnsw_index.pkl")]) == 0
    for name in ("model.safetensors", "tokenizer.json", f"{ENTITIES}/{TABLE}", "entity_encoder/model.safetensors"):
        assert (imported / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_half_precision_table_is_exported_in_single_precision(released, tmp_path):
    assert run("import", [*flags(released, tmp_path / "half"), "--dtype", "float16"]) == 0
    assert run("export", ["--model", str(tmp_path / "half"), "--format", "blink", "--output", str(tmp_path / "blink")]) == 0
    exported = read_tensor(tmp_path / "blink" / "all_entities.t7")
    assert np.array_equal(exported, read_tensor(released / "table.t7").astype(np.float16).astype(np.float32))
    assert sorted(path.name for path in (tmp_path / "blink").iterdir()) == [
        *("all_entities.t7", "elq.bin", "elq_params.txt", "encoder", "entity.jsonl")
    ]


def test_what_the_released_code_cannot_compute_is_not_exported(run_folder, tmp_path, capsys):
    assert run("export", ["--model", str(run_folder / "model"), "--format", "blink", "--output", str(tmp_path / "x")]) == 2
    assert "has projection true, but the released layout cannot store this setting" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("legacy", [True, False])
def test_both_torch_formats_are_mapped(legacy, tmp_path):
    base = torch.arange(60, dtype=torch.float32).view(6, 10)
    tensors = {"a": base, "view": base[1:4, 2:8:2], "t": base.T, "n": torch.tensor([3, 4]), "none": torch.empty(0, 5)}
    tensors |= {"half": base.half(), "flag": torch.tensor([True, False]), "scalar": torch.tensor(2.5)}
    save(tensors, tmp_path / "x.bin", legacy=legacy)
    found = read_tensors(tmp_path / "x.bin")
    for name, value in tensors.items():
        assert np.array_equal(found[name], value.numpy())
        assert not (legacy and value.numel() and found[name].flags.writeable)


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def harm(how: str, path: Path, mark: Path) -> None:
    if how == "state dict":
        save({"a": torch.zeros(2), "b": Harmful(mark)}, path)
    elif how == "zip":
        save({"a": Harmful(mark)}, path, legacy=False)
    elif how == "pickle":
        path.write_bytes(pickle.dumps(Harmful(mark)))
    else:  # behind a legacy header
        parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, Harmful(mark))]
        path.write_bytes(b"".join(parts))


@pytest.mark.parametrize("how", ["state dict", "zip", "pickle", "header"])
@pytest.mark.parametrize("flag", ["table", "weights"])
def test_a_file_with_code_is_refused_and_nothing_runs(how, flag, released, tmp_path, capsys):
    harm(how, tmp_path / "x", tmp_path / "mark")
    assert run("import", flags(released, tmp_path / "model", **{flag: tmp_path / "x"})) == 2
    assert not (tmp_path / "mark").exists()
    told = capsys.readouterr().err
    assert f"{tmp_path / 'x'} is " in told
    assert "weights_only" not in told  # torch's own words say how to run the code after all
    assert told.splitlines()[-1].startswith("elq: ")
    assert "Traceback" not in told
    assert not (tmp_path / "model").exists()


def test_a_file_with_code_would_have_run_it(tmp_path):
    """The test above can fail: ordinary unpickling of the file runs its code."""
    harm("pickle", tmp_path / "x", tmp_path / "mark")
    pickle.loads((tmp_path / "x").read_bytes())
    assert (tmp_path / "mark").exists()


def changed_weights(released: Path, path: Path, change) -> Path:
    weights = torch.load(released / "elq.bin", weights_only=True)
    change(weights)
    save(weights, path)
    return path


def cut(source: Path, target: Path, share: float) -> Path:
    target.write_bytes(source.read_bytes()[: int(source.stat().st_size * share)])
    return target


def saved(value: object, path: Path, *, legacy: bool = True) -> Path:
    save(value, path, legacy=legacy)
    return path


def latin_vocabulary(released: Path, tmp_path: Path) -> Path:
    shutil.copy(released / "config.json", tmp_path)
    (tmp_path / "vocab.txt").write_bytes((released / "vocab.txt").read_bytes() + "é\n".encode("latin-1"))
    return tmp_path


def indexed(index: "faiss.Index", vectors: np.ndarray, path: Path) -> Path:
    index.add(vectors)
    faiss.write_index(index, str(path))
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def other_vocabulary(released: Path, tmp_path: Path) -> Path:
    shutil.copy(released / "config.json", tmp_path)
    return written(tmp_path / "vocab.txt", (released / "vocab.txt").read_text() + "more\n").parent


def other_config(released: Path, tmp_path: Path) -> Path:
    shutil.copy(released / "vocab.txt", tmp_path)
    config = json.loads((released / "config.json").read_text())
    return written(tmp_path / "config.json", json.dumps({**config, "num_hidden_layers": 3})).parent


def test_a_release_without_an_entity_encoder_is_imported_without(released, tmp_path, caplog):
    def drop(weights):
        for name in [name for name in weights if name.startswith("cand_encoder.")]:
            del weights[name]

    weights = changed_weights(released, tmp_path / "x", drop)
    assert run("import", flags(released, tmp_path / "m", weights=weights)) == 0
    assert "x has no entity encoder: vectors of further entities cannot be made" in caplog.text
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [
        *("config.json", "decision.json", "entities", "model.safetensors", "tokenizer.json")
    ]


KEY = "context_encoder.bert_model.encoder.layer.0.output.dense.bias"
LAYER = "classification_heads.linear_compression.weight"
BAD = {
    "a weight missing": ("weights", lambda r, t: changed_weights(r, t / "x", lambda w: w.pop(KEY)), f"x lacks {KEY}:"),
    "a weight too many": (
        "weights",
        lambda r, t: changed_weights(r, t / "x", lambda w: w.update({f"{KEY}2": w[KEY]})),
        f"has more weights than the configuration needs, such as {KEY}2:",
    ),
    "a layer that changes the computation": (
        "weights",
        lambda r, t: changed_weights(r, t / "x", lambda w: w.update({LAYER: w[KEY]})),
        f"has more weights than the configuration needs, such as {LAYER}:",
    ),
    "a weight that is no number": (
        "weights",
        lambda r, t: changed_weights(r, t / "x", lambda w: w[KEY].fill_(torch.nan)),
        f"has {KEY} with values that are not finite numbers",
    ),
    "a weight of whole numbers": (
        "weights",
        lambda r, t: changed_weights(r, t / "x", lambda w: w.update({KEY: w[KEY].long()})),
        f"has {KEY} with values that are not finite numbers",
    ),
    "a vocabulary in another encoding": ("encoder", latin_vocabulary, "vocab.txt is not UTF-8"),
    "half a character": (
        "catalogue",
        lambda r, t: written(t / "x.jsonl", '{"text": "a", "title": "\\ud800"}\n' * ROWS),
        "x.jsonl, line 1: holds half of a character",
    ),
    "a sparse tensor": (
        "table",
        lambda r, t: saved(torch.eye(3).to_sparse(), t / "x", legacy=False),
        "is not a readable torch file",
    ),
    "a weight of the entity encoder missing": (
        "weights",
        lambda r, t: changed_weights(r, t / "x", lambda w: w.pop(KEY.replace("context", "cand"))),
        "lacks cand_encoder.bert_model.encoder.layer.0.output.dense.bias",
    ),
    "a weight of another shape": (
        "weights",
        lambda r, t: changed_weights(r, t / "x", lambda w: w.update({KEY: torch.zeros(7)})),
        f"{KEY} of shape [7], but the configuration asks for [32]",
    ),
    "weights cut short": ("weights", lambda r, t: cut(r / "elq.bin", t / "x", 0.9), "it is cut short"),
    "weights cut in the header": ("weights", lambda r, t: cut(r / "elq.bin", t / "x", 0.001), "is not a readable torch file"),
    "weights that are one tensor": ("weights", lambda r, t: saved(torch.zeros(3), t / "x"), "must hold tensors with names"),
    "weights that are text": (
        "weights",
        lambda r, t: saved({"a": "b"}, t / "x"),
        "holds 'a', a str, but must hold a tensor there",
    ),
    "a vocabulary of another size": ("encoder", other_vocabulary, "words, but the weights have"),
    "another number of layers": ("encoder", other_config, "lacks context_encoder.bert_model.encoder.layer.2."),
    "no encoder": ("encoder", lambda r, t: t / "nowhere", "config.json is not the configuration of a BERT"),
    "a table with fewer rows": ("table", lambda r, t: saved(torch.zeros(ROWS - 1, WIDTH), t / "x"), "x has 39 rows, but"),
    "a table with more rows": ("table", lambda r, t: saved(torch.zeros(ROWS + 1, WIDTH), t / "x"), "x has 41 rows, but"),
    "a table of another width": ("table", lambda r, t: saved(torch.zeros(ROWS, 8), t / "x"), "asks for (N, 32) of float32"),
    "a table of state": ("table", lambda r, t: saved({"a": torch.zeros(2)}, t / "x"), "holds a dict, but must hold a tensor"),
    "a table with NaN": ("table", lambda r, t: saved(torch.full((ROWS, WIDTH), torch.nan), t / "x"), "NaN or Inf in float32"),
    "a table cut short": ("table", lambda r, t: cut(r / "table.t7", t / "x", 0.5), "it is cut short"),
    "an index of another metric": (
        "index",
        lambda r, t: indexed(faiss.IndexFlatL2(WIDTH), read_tensor(r / "table.t7"), t / "x"),
        "contains a IndexFlatL2 of L2 distances, but",
    ),
    "a graph of another metric": (
        "index",
        lambda r, t: indexed(faiss.IndexHNSWFlat(WIDTH, 4), read_tensor(r / "table.t7"), t / "x"),
        "contains a IndexHNSWFlat of L2 distances, but",
    ),
    "an index of another width": (
        "index",
        lambda r, t: indexed(faiss.IndexFlatIP(8), np.zeros((ROWS, 8), np.float32), t / "x"),
        "contains 40 × 8 vectors, but the table has 40 × 32",
    ),
    "an index over other vectors": (
        "index",
        lambda r, t: indexed(faiss.IndexFlatIP(WIDTH), np.zeros((ROWS, WIDTH), np.float32), t / "x"),
        "holds another vector in row 0 than the table",
    ),
    "an index that is none": ("index", lambda r, t: written(t / "x", "flat"), "is not a readable faiss index"),
    "params that are neither": (
        "params",
        lambda r, t: written(t / "x", "print('hello')"),
        "neither a JSON object nor a Python",
    ),
    "params of another pooling": (
        "params",
        lambda r, t: written(t / "x", "{'mention_aggregation_type': 'fl_avg'}"),
        "has mention_aggregation_type 'fl_avg', but only 'all_avg' can be imported",
    ),
    "params of a wrong type": (
        "params",
        lambda r, t: written(t / "x", '{"max_mention_length": "ten"}'),
        "has max_mention_length",
    ),
    "an entity without a title": (
        "catalogue",
        lambda r, t: written(t / "x.jsonl", '{"text": "a", "title": "b"}\n{"text": "c"}\n' + "{}\n" * (ROWS - 2)),
        'x.jsonl, line 2: an entity needs "title" and "text"',
    ),
    "no catalogue": ("catalogue", lambda r, t: t / "nowhere.jsonl", "nowhere.jsonl does not exist"),
}
LATE = ("a table with NaN", "half a character", "an entity without a title")


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_told_in_one_sentence(case, released, tmp_path, capsys):
    flag, make, said = BAD[case]
    assert run("import", flags(released, tmp_path / "model", **{flag: make(released, tmp_path)})) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.splitlines()[-1].startswith("elq: ")
    assert "Traceback" not in told
    assert not (tmp_path / "model").exists()
    left = [path for path in (tmp_path / ".model.importing").rglob("*") if path.name in ("table.npy", "model.safetensors")]
    assert not left or case in LATE  # what does not fit is found before the long work


@pytest.mark.parametrize("numbers", [{"stride": (-10_000_000, 1)}, {"offset": -5}, {"shape": (10**9, 2)}, {"stride": (1.5, 1)}])
def test_a_tensor_outside_its_storage_is_refused(numbers, tmp_path):
    """Handwritten pickles; one also has an instruction that changes a tensor's record after the check."""

    class Tensor:
        def __reduce__(self):
            rebuild = torch._utils._rebuild_tensor_v2
            record = {"offset": 0, "shape": (2, 2), "stride": (2, 1), **numbers}
            return rebuild, (Stored(), record["offset"], record["shape"], record["stride"], False, {})

    class Changed:
        def __reduce__(self):
            rebuild = torch._utils._rebuild_tensor_v2
            record = {"offset": 0, "shape": (2, 2), "stride": (2, 1), **numbers}
            return rebuild, (Stored(), 0, (2, 2), (2, 1), False, {}), [Stored(), *record.values()]

    class Stored:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", 4, None) if isinstance(value, Stored) else None

    for saved_object in (Tensor(), Changed()):
        with (tmp_path / "x").open("wb") as stream:
            for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, saved_object, ["0"]):
                Pickler(stream, 2).dump(part)
            stream.write((4).to_bytes(8, "little") + bytes(16))
        with pytest.raises(ElqError, match="is not a readable torch file|is refused"):
            read_tensor(tmp_path / "x")


def test_two_imports_of_one_folder(released, tmp_path):
    command = [sys.executable, "-m", "elq", "import", *flags(released, tmp_path / "m")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert sum("is up to date" in text for text in told) == 1
    assert Linker.from_pretrained(tmp_path / "m").link("who directed the titanic?", threshold=-40.0)


def test_damaged_torch_files_are_refused_or_read(tmp_path):
    """Random changes of bytes in the header of a legacy file give an ElqError or the tensors, and never a crash."""
    save({"a": torch.arange(6.0).view(2, 3), "b": torch.zeros(4)}, tmp_path / "good")
    good, rng = (tmp_path / "good").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(600):
        damaged = bytearray(good)
        for place in rng.integers(0, len(good), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        (tmp_path / "bad").write_bytes(damaged)
        try:
            for value in read_tensors(tmp_path / "bad").values():
                value.sum()
        except ElqError:
            refused += 1
    assert refused > 300


def test_a_killed_import_goes_on_where_it_was(released, tmp_path):
    rows = 3_000
    rng = np.random.default_rng(0)
    records = [{"text": f" {n}.", "title": f"t {n}", "kb_idx": f"Q{n}"} for n in range(rows)]
    write_lines(tmp_path / "entity.jsonl", records)
    vectors = torch.from_numpy(rng.standard_normal((rows, WIDTH), np.float32))
    save(vectors, tmp_path / "table.t7")
    command = flags(released, tmp_path / "m", table=tmp_path / "table.t7", catalogue=tmp_path / "entity.jsonl")
    script = "import sys, time, elq.entities.assembly as a, elq.released.importing as i; a.PART, i.PIECE = 256, 64\n"
    slow = "plain = i.MappedVectors.pieces\n"
    slow += "i.MappedVectors.pieces = lambda *args: (time.sleep(0.02) or piece for piece in plain(*args))\n"
    start = "from elq.commands import run; sys.exit(run('import', sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", script + slow + start, *command])
    markers = tmp_path / ".m.importing" / ".entities.building" / "parts"
    while process.poll() is None and len(list(markers.glob("[0-9]*"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sorted(int(path.name) for path in markers.glob("[0-9]*"))
    assert 3 <= len(done) < 12
    assert not (tmp_path / "m").exists()
    table = np.load(markers.parent / TABLE, mmap_mode="r+")
    table[done[0]] = 0.5  # a marked part is not copied again
    table.flush()
    subprocess.run([sys.executable, "-c", script + start, *command], check=True, capture_output=True)
    made = np.load(tmp_path / "m" / ENTITIES / TABLE)
    assert (made[done[0]] == 0.5).all()
    made[done[0]] = vectors[done[0]]
    assert np.array_equal(made, vectors.numpy())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".m.lock", "entity.jsonl", "m", "table.t7"]
    assert Manifest.load(tmp_path / "m" / ENTITIES).entities == rows


def test_params_in_both_writings(tmp_path):
    python = written(
        tmp_path / "p", "{'bert_model': 'b', 'max_mention_length': 7, 'lowercase': False, 'silent': True, 'x': None}\n"
    )
    values = {"bert_model": "b", "max_mention_length": 7, "lowercase": False}
    json_text = written(tmp_path / "j", json.dumps(values))
    wanted = ReleasedParams(bert_model="b", max_span_tokens=8, entity_tokens=128, lowercase=False)
    assert read_params(python) == read_params(json_text) == wanted
    for text in ("{[]: 1}", "[" * 100_000, "{'a': b}"):
        with pytest.raises(ElqError, match="neither a JSON object nor a Python dictionary"):
            read_params(written(tmp_path / "x", text))


def test_an_entity_whose_id_is_missing_or_taken_gets_its_page_or_row(tmp_path):
    records = [{"title": "A", "text": " a.", "kb_idx": "Q1", "idx": "https://en.wikipedia.org/wiki?curid=10"}]
    records += [{**records[0], "title": "B", "idx": "https://en.wikipedia.org/wiki?curid=11"}]
    records += [{"title": "C", "text": "", "idx": "https://en.wikipedia.org/wiki?curid=12"}, {"title": "D", "text": "d"}]
    records += [{"title": "E", "text": "e", "idx": "https://en.wikipedia.org/wiki?curid=12"}]
    found = [*read_released_entities(write_lines(tmp_path / "e.jsonl", records))]
    assert [entity.id for entity in found] == ["Q1", "curid=11", "curid=12", "row=3", "row=4"]
    assert found[0] == Entity("Q1", "A", "A", "a.")


def test_the_title_tag_is_a_token_in_entity_texts_only(released):
    rows = len((released / "vocab.txt").read_text().splitlines())
    plain, tagged = (bert_tokenizer(released, lowercase=True, rows=rows, entities=entities) for entities in (0, 64))
    text = ENTITY_TEXT(Entity("Q1", "Titanic", "Titanic", "the ship"))
    assert tagged.encode(text).tokens == ["[CLS]", "titanic", "[unused2]", "the", "ship", "[SEP]"]
    assert "[unused2]" not in plain.encode(text).tokens


def test_case_is_kept_where_the_params_say_so(released):
    rows = len((released / "vocab.txt").read_text().splitlines())
    cased, uncased = (bert_tokenizer(released, lowercase=lowercase, rows=rows) for lowercase in (False, True))
    assert uncased.encode("Titanic").tokens[1] == "titanic" != cased.encode("Titanic").tokens[1]
