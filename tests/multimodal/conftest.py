"""A tiny image tower, a tiny catalogue with pictures, and a model that was trained on it."""

import copy
from pathlib import Path

import pytest
import torch

from elq.commands.train import fit
from elq.multimodal.disambiguator import MultimodalDisambiguator
from tests.multimodal import pictured

TEXT = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
PICTURE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(scope="session")
def tower_folder(tmp_path_factory) -> Path:
    """The folder of a tiny random CLIP."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    text = {**TEXT, "bos_token_id": 0, "eos_token_id": 1}
    folder = tmp_path_factory.mktemp("tower") / "clip"
    CLIPModel(CLIPConfig(text_config=text, vision_config=PICTURE, projection_dim=24)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pictured_folder(tmp_path_factory) -> Path:
    """A folder with a catalogue, its pictures, and questions."""
    folder = tmp_path_factory.mktemp("pictured")
    pictured.write_catalogue(folder)
    pictured.write_questions(folder, "train", 120)
    pictured.write_questions(folder, "train_boxes", 40, boxes=True, seed=2)
    pictured.write_questions(folder, "dev", 24, seed=1)
    pictured.write_questions(folder, "dev_boxes", 10, boxes=True, seed=3)
    return folder


@pytest.fixture(scope="session")
def pictured_values(encoder_folder, tower_folder, pictured_folder, tmp_path_factory) -> dict:
    """Plain values of a tiny multimodal training."""
    files = {name: str(pictured_folder / f"{name}.jsonl") for name in ("train", "train_boxes", "dev", "dev_boxes")}
    return {
        "task": "multimodal",
        "seed_everything": 3,
        "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 12, "log_every_n_steps": 1, "gradient_clip_val": 1.0},
        "model": {
            "encoder": str(encoder_folder),
            "tower": str(tower_folder),
            "units": ["text", "picture"],
            "warmup_steps": 2,
            "lr": 1e-2,
            "lr_mean": 1e-2,
        },
        "data": {
            "catalogue": str(pictured_folder / "catalogue.jsonl"),
            "entities": str(tmp_path_factory.mktemp("pictured_entities") / "entities"),
            "build": {"precision": "fp32", "dtype": "float32"},
            "train": [files["train"], files["train_boxes"]],
            "dev": [files["dev"], files["dev_boxes"]],
            "batch_size": 8,
            "negatives": {"hard": 3, "in_batch": 3},
            "nearest": {"text": 4, "picture": 4},
        },
        "early_stopping": {"patience": 30},
    }


@pytest.fixture(scope="session")
def pictured_run(pictured_values, tmp_path_factory) -> Path:
    """The run folder of that training."""
    folder = tmp_path_factory.mktemp("pictured_runs") / "run"
    folder.mkdir()
    fit(copy.deepcopy(pictured_values), folder)
    return folder


@pytest.fixture
def disambiguator(pictured_run) -> MultimodalDisambiguator:
    """The trained model."""
    return MultimodalDisambiguator.from_pretrained(pictured_run / "model")
