"""A tiny release in the released file formats, with random weights."""

import json
from pathlib import Path

import faiss
import torch
from transformers import BertConfig, BertModel

from tests.conftest import NAMES, WORDS, write_lines

ROWS, WIDTH = 40, 32
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused2]"]
PARAMS = "{'bert_model': 'bert-tiny', 'max_mention_length': 4, 'max_context_length': 128, 'max_cand_length': 24,"
PARAMS += " 'lowercase': True, 'debug': None}"
SCORER = "classification_heads.mention_scores.bound_classifier"


def save(value: object, path: Path, *, legacy: bool = True) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)


def write_release(folder: Path) -> Path:
    """A release with random weights, in the legacy format."""
    words = [*SPECIAL, *WORDS, *"abcdefghijklmnopqrstuvwxyz?.,", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in dict.fromkeys(words)))
    config = BertConfig(vocab_size=len(dict.fromkeys(words)), hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4)
    config.intermediate_size, config.max_position_embeddings = 64, 64
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.to_dict().items() if k != "model_type"}))
    torch.manual_seed(0)
    weights = {}
    for name in ("context_encoder", "cand_encoder"):
        weights |= {f"{name}.bert_model.{key}": value for key, value in BertModel(config).state_dict().items()}
    weights |= {f"{SCORER}.weight": torch.randn(3, WIDTH), f"{SCORER}.bias": torch.zeros(3)}
    save(weights, folder / "elq.bin")
    (folder / "params.txt").write_text(PARAMS)
    records = [
        {"text": f" the {NAMES[n % 9]} of {n}.", "title": f"{NAMES[n % 11]} {n}", "kb_idx": f"Q{n}"} for n in range(ROWS)
    ]
    records = [{**r, "entity": r["title"], "idx": f"https://en.wikipedia.org/wiki?curid={n}"} for n, r in enumerate(records)]
    del records[3]["kb_idx"]
    write_lines(folder / "entity.jsonl", records)
    vectors = torch.randn(ROWS, WIDTH)
    save(vectors, folder / "table.t7")
    graph = faiss.IndexHNSWFlat(WIDTH, 8, faiss.METRIC_INNER_PRODUCT)
    graph.add(vectors.numpy())
    faiss.write_index(graph, str(folder / "hnsw.pkl"))
    return folder


def flags(folder: Path, output: Path, **others: Path) -> list[str]:
    files = {"weights": "elq.bin", "params": "params.txt", "encoder": "", "catalogue": "entity.jsonl", "table": "table.t7"}
    paths = {**{name: folder / file for name, file in files.items()}, **others, "output": output}
    return [part for name, path in paths.items() for part in (f"--{name}", str(path))]
