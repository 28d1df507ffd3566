"""A tiny encoder made in code, a tiny catalogue of colliding names, and the shared data where it exists."""

import copy
import json
import os
from importlib.util import find_spec
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ELQ_NO_PROGRESS"] = "1"

import hypothesis
import pytest
import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.transformer import Encoder
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import Entities, open_entities
from elq.model.network import ELQ

hypothesis.settings.register_profile("elq", deadline=None)  # other jobs may want the processor at the same time
hypothesis.settings.load_profile("elq")

SHARED = Path(__file__).resolve().parents[2] / "shared"
NAMES = ["paris", "texas", "titanic", "ship", "queen", "band", "river", "city", "film", "song", "capital"]
WORDS = ["who", "what", "is", "the", "of", "in", "directed", "wrote", "sang", "lives", *NAMES]
TINY_CONFIG = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
RECORDS = [
    {"id": "Q90", "title": "Paris", "label": "Paris", "description": "capital city of france", "aliases": ["City of Light"]},
    {"id": "Q830149", "title": "Paris, Texas", "label": "Paris", "description": "city in texas", "types": ["city"]},
    {"id": "Q44578", "title": "Titanic (1997 film)", "label": "Titanic", "description": "film", "aliases": ["the ship film"]},
    {"id": "Q25173", "title": "RMS Titanic", "label": "Titanic", "description": "ship", "types": ["ship"], "popularity": 7},
    {"id": "Q15862", "title": "Queen (band)", "label": "Queen", "description": "band", "types": ["band"]},
    {"id": "Q116", "title": "Queen", "label": "queen", "description": ""},
    {"id": "Q1471", "title": "Seine", "label": "Seine", "description": "river in paris"},
]
QUESTIONS = [
    ("who directed titanic?", "titanic", "Q44578"),
    ("what is the capital city paris", "paris", "Q90"),
    ("who lives in paris texas", "paris texas", "Q830149"),
    ("who sang the queen song", "queen", "Q15862"),
    ("what river is in paris", "paris", "Q90"),
    ("who wrote xyz?", "xyz", None),
    ("the ship titanic", "titanic", "Q25173"),
    ("what is the river seine", "seine", "Q1471"),
]


def write_lines(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def tiny_tokenizer() -> Tokenizer:
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789?.,'()-:")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *WORDS]
    tokenizer = Tokenizer(WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(8)  # as published tokenizer files have it: must be switched off on loading
    tokenizer.enable_padding(length=8)
    return tokenizer


def write_encoder(folder: Path) -> Path:
    """A two-layer BERT with random weights, as a folder of one's own."""
    from safetensors.torch import save_file

    tokenizer = tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {**TINY_CONFIG, "vocab_size": tokenizer.get_vocab_size()}
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    encoder = Encoder(config)
    # wide word vectors and timid layers: close to a bag of words, so that texts which share words get near vectors
    torch.nn.init.normal_(encoder.transformer.embeddings.word_embeddings.weight, std=1.0)
    save_file(
        {key: value.contiguous() for key, value in encoder.transformer.state_dict().items()}, folder / "model.safetensors"
    )
    return folder


def write_questions(path: Path) -> Path:
    records = [
        {
            "id": f"q{number}",
            "text": text,
            "mentions": [{"start": text.index(name), "end": text.index(name) + len(name), "entity": entity}],
        }
        for number, (text, name, entity) in enumerate(QUESTIONS)
    ]
    return write_lines(path, records)


def tiny_values(encoder: Path, catalogue: Path, questions: Path, entities: Path) -> dict:
    """Plain values of a tiny training run."""
    return {
        "seed_everything": 3,
        "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 12, "log_every_n_steps": 1, "gradient_clip_val": 1.0},
        "model": {
            "encoder": str(encoder),
            "lr_encoder": 1e-3,
            "lr_heads": 2e-2,
            "warmup_steps": 2,
            "max_span_tokens": 3,
            "candidates": 4,
        },
        "data": {
            "catalogue": str(catalogue),
            "entities": str(entities),
            "build": {"precision": "fp32"},
            "train": [{"epochs": 1, "templates": 8}, {"epochs": 11, "sources": [{"file": str(questions), "repeat": 8}]}],
            "dev": str(questions),
            "batch_size": 4,
        },
        "early_stopping": {"patience": 30},
    }


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def catalogue_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("catalogue") / "catalogue.jsonl", RECORDS)


@pytest.fixture(scope="session")
def question_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("questions") / "questions.jsonl")


@pytest.fixture(scope="session")
def entities_folder(encoder_folder: Path, catalogue_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "entities"
    build_entities(catalogue_file, folder, BuildSettings(encoder=str(encoder_folder), precision="fp32"))
    return folder


@pytest.fixture(scope="session")
def entities(entities_folder: Path) -> Entities:
    return open_entities(entities_folder)


@pytest.fixture(scope="session")
def tokenizer(encoder_folder: Path) -> QuestionTokenizer:
    return QuestionTokenizer.from_file(encoder_folder / "tokenizer.json", max_tokens=64)


@pytest.fixture
def model(encoder_folder: Path) -> ELQ:
    torch.manual_seed(1)
    return ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval()


@pytest.fixture(scope="session")
def values(encoder_folder, catalogue_file, question_file, tmp_path_factory) -> dict:
    return tiny_values(encoder_folder, catalogue_file, question_file, tmp_path_factory.mktemp("training") / "entities")


@pytest.fixture(scope="session")
def run_folder(values, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny" / "run"
    folder.mkdir(parents=True)
    from elq.commands.train import fit

    fit(copy.deepcopy(values), folder)  # the training parser changes what it is given
    return folder


@pytest.fixture(scope="session")
def released(tmp_path_factory) -> Path:
    """The files of a tiny release."""
    from tests.releases import write_release

    return write_release(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="session")
def imported(released, tmp_path_factory) -> Path:
    """The model folder that `elq import` makes of it."""
    from elq.commands import run
    from tests.releases import flags

    folder = tmp_path_factory.mktemp("imported") / "model"
    assert run("import", flags(released, folder, index=released / "hnsw.pkl")) == 0
    return folder


@pytest.fixture
def quiet(monkeypatch):
    """Hydra and the commands log to the standard error of the first test that ran them in this process, closed by now."""
    monkeypatch.setattr("logging.raiseExceptions", False)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the shared data folder {SHARED} is absent")
    return SHARED


@pytest.fixture(scope="session")
def milvus_folder(tmp_path_factory) -> str:
    """The address of a Milvus that runs in this process, and keeps its data in a folder."""
    if not (find_spec("pymilvus") and find_spec("milvus_lite")):
        pytest.skip("pymilvus or milvus-lite is not here")
    return str(tmp_path_factory.mktemp("milvus") / "own.db")


@pytest.fixture(autouse=True)
def _server_of_the_remote_index(request, monkeypatch) -> None:
    if "kind" in request.fixturenames and request.getfixturevalue("kind") == "remote":
        monkeypatch.setenv("ELQ_MILVUS_URL", request.getfixturevalue("milvus_folder"))
