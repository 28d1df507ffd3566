"""Imports a synthetic release, and measures its memory and time.

    python benchmarks/release_import.py --rows 1000000 --layers 1     the table: 4 GB in fp32, legacy format
    python benchmarks/release_import.py --rows 10000 --layers 24      the shapes of bert-large

The files have the released formats, with random weights and vectors. The import is also killed in the middle (kill -9) and
resumed, and one question is linked. Memory is read from /proc/PID/smaps every 50 ms: private memory of the process, and
separately the memory that is mapped from files, which the system may free at any time.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel

WIDTH = 1024
WORDS = [f"w{number}" for number in range(1_000)]
BLOCK = 65_536


def write_release(folder: Path, rows: int, layers: int) -> None:
    """Write all files of a release except the index."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused2]"]
    words = [*special, *WORDS, *(f"[unused{n}]" for n in range(3, 3 + 30_522 - len(special) - len(WORDS)))]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    config = BertConfig(vocab_size=len(words), hidden_size=WIDTH, num_hidden_layers=layers, num_attention_heads=16)
    config.intermediate_size = 4 * WIDTH
    config.save_pretrained(folder)
    torch.manual_seed(0)
    weights = {}
    for name in ("context_encoder", "cand_encoder"):
        weights |= {f"{name}.bert_model.{key}": value for key, value in BertModel(config).state_dict().items()}
    scorer = "classification_heads.mention_scores.bound_classifier"
    weights |= {f"{scorer}.weight": torch.randn(3, WIDTH) / 30, f"{scorer}.bias": torch.zeros(3)}
    torch.save(weights, folder / "elq.bin", _use_new_zipfile_serialization=False)
    params = "{'bert_model': 'bert-large-uncased', 'max_mention_length': 10, 'max_context_length': 32, 'lowercase': True}"
    (folder / "elq_params.txt").write_text(params)
    rng = np.random.default_rng(0)
    with (folder / "entity.jsonl").open("w") as stream:
        for row in range(rows):
            title = f"{WORDS[row % 1_000].title()} {WORDS[row // 1_000 % 1_000]}"
            text = " ".join(WORDS[n] for n in rng.integers(0, 1_000, 60))
            record = {"text": f" {text}.", "idx": f"https://en.wikipedia.org/wiki?curid={row}", "title": title, "entity": title}
            stream.write(json.dumps({**record, "kb_idx": f"Q{row}"}) + "\n")
    raw = np.memmap(folder / "raw", np.float32, "w+", shape=(rows, WIDTH))
    for start in range(0, rows, BLOCK):
        raw[start : start + BLOCK] = rng.standard_normal((min(BLOCK, rows - start), WIDTH), np.float32)
    torch.save(torch.from_numpy(raw), folder / "entities.t7", _use_new_zipfile_serialization=False)
    (folder / "raw").unlink()


def memory_of(pid: int) -> tuple[int, int]:
    """Bytes of private memory, and of memory that is mapped from files; both are 0 after the process has ended."""
    private = mapped = 0
    of_file = False
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError:
        return 0, 0
    for line in lines:
        name, *rest = line.split()
        if not name.endswith(":"):
            of_file = len(rest) >= 5 and rest[4].startswith("/")
        elif name.startswith("Private_") and not of_file:
            private += int(rest[0]) * 1024
        elif name == "Rss:" and of_file:
            mapped += int(rest[0]) * 1024
    return private, mapped


def watched(command: list[str], stop: object = None) -> tuple[int, float, int, int]:
    """Run a command. Returns exit code, seconds and memory peaks. The command is killed when ``stop()`` is true."""
    began, peaks = time.monotonic(), (0, 0)
    process = subprocess.Popen(command)
    while process.poll() is None:
        now = memory_of(process.pid)
        peaks = max(peaks[0], now[0]), max(peaks[1], now[1])
        if callable(stop) and stop():
            process.send_signal(signal.SIGKILL)
            process.wait()
            break
        time.sleep(0.05)
    return process.returncode, time.monotonic() - began, *peaks


def say(what: str, found: tuple[int, float, int, int]) -> None:
    code, seconds, private, mapped = found
    print(
        f"{what}: exit code {code}, {seconds:.1f} s, private {private / 1e6:,.0f} MB, mapped {mapped / 1e6:,.0f} MB", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="folder for the files, which is kept (default: a temporary folder)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "model", ignore_errors=True)
    if not (folder / "entities.t7").is_file():
        write_release(folder, options.rows, options.layers)
    print(
        {path.name: f"{path.stat().st_size / 1e6:,.0f} MB" for path in sorted(folder.iterdir()) if path.is_file()}, flush=True
    )
    output = folder / "model"
    command = [sys.executable, "-m", "elq", "import", "--weights", f"{folder}/elq.bin", "--params", f"{folder}/elq_params.txt"]
    command += ["--encoder", str(folder), "--catalogue", f"{folder}/entity.jsonl", "--table", f"{folder}/entities.t7"]
    command += ["--output", str(output)]
    markers = folder / ".model.importing" / ".entities.building" / "parts"
    parts = -(-options.rows // 8_192)
    if parts > 4:
        say("import, killed", watched(command, lambda: len(list(markers.glob("[0-9]*"))) >= parts // 2))
        print(f"parts done when it was killed: {len(list(markers.glob('[0-9]*')))} of {parts}", flush=True)
    say("import, to the end", watched(command))
    question = f"who directed {WORDS[5]} {WORDS[7]}?"
    predict = [sys.executable, "-m", "elq", "predict", "--model", str(output), "--scoring", "elq", "--candidates", "10"]
    say("predict", watched([*predict, "--threshold", "-1000", question]))
    table = np.load(output / "entities" / "table.npy", mmap_mode="r")
    offset = (folder / "entities.t7").stat().st_size - options.rows * WIDTH * 4
    source = np.memmap(folder / "entities.t7", np.float32, "r", offset=offset, shape=table.shape)
    equal = all(
        np.array_equal(table[start : start + BLOCK], source[start : start + BLOCK]) for start in range(0, len(table), BLOCK)
    )
    print(f"table equal bit for bit: {equal}", flush=True)
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
