"""Untrained: makes the model folder of a run that has no questions to train on."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from elq.encoding.pretrained import is_model_folder, resolve_encoder
from elq.entities.build import build_entities
from elq.errors import ElqError
from elq.linking.folder import resolve_model
from elq.linking.general import settings_for
from elq.linking.model_folder import link_model_folder, refuse_decided
from elq.training.export import MODEL
from elq.training.parser import ELQCLI
from elq.training.stages import require_files

log = logging.getLogger(__name__)


class _Checked(ELQCLI):
    def instantiate_classes(self) -> None:
        """Build nothing: the settings are only checked."""


def has_nothing_to_train(values: Mapping[str, Any]) -> bool:
    """Whether plain values of a training have no questions, and a model as encoder that links without a training."""
    data, encoder = values.get("data", {}), values.get("model", {}).get("encoder")
    if "train" not in data or data["train"] or values.get("ckpt_path") or not encoder:
        return False
    return is_model_folder(resolve_encoder(encoder))


def make_untrained(values: Mapping[str, Any], folder: Path) -> None:
    """Make ``model/`` in a run folder from the model that the values name as encoder, over the catalogue of the values.

    Args:
        values: plain values of a training, with the catalogue in ``data``.
        folder: the run folder.

    Raises:
        ElqError: a setting is wrong, the model decides it, or the catalogue is bad.
    """
    _Checked({key: value for key, value in values.items() if key != "ckpt_path"}, run=False)
    data, model = values["data"], values["model"]["encoder"]
    require_files([data["catalogue"]])
    if (folder / MODEL).exists():
        raise ElqError(f"{folder} holds a finished run: give another folder with hydra.run.dir=DIR")
    log.info(
        "nothing is trained, because there are no annotated questions (data.train=FILE): %s links over any catalogue as it is",
        model,
    )
    build = dict(data.get("build") or {})
    refuse_decided([f"data.build.{name}" for name in build], model)
    settings = replace(settings_for(resolve_model(model)), **build)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    build_entities(data["catalogue"], data["entities"], settings, columns=data.get("columns"), device=device)
    link_model_folder(folder / MODEL, model=model, entities=data["entities"])
    log.info("made %s", folder / MODEL)
