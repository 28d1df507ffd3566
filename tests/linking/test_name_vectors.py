"""Tests of the vectors with which the index of a model folder is measured."""

from dataclasses import replace
from pathlib import Path

import torch

from elq.encoding.pretrained import GENERAL
from elq.linking.folder import resolve_model
from elq.linking.general import settings_for
from elq.linking.linker import Linker
from elq.linking.model_folder import build_model_folder
from elq.linking.name_vectors import name_vectors
from tests.conftest import write_lines


def test_an_approximate_index_of_a_model_folder_is_measured_with_names(tmp_path, caplog):
    file = write_lines(tmp_path / "c.jsonl", [{"id": f"P{n}", "title": f"garden hose {n}"} for n in range(40)])
    settings = replace(settings_for(resolve_model(GENERAL)), index="hnsw")
    with caplog.at_level("INFO"):
        build_model_folder(file, tmp_path / "m", settings=settings)
    assert "100.0% of the nearest (1,024 mention vectors, made by the model of names in short questions)" in caplog.text


def test_name_vectors_find_many_entities(monkeypatch):
    monkeypatch.setattr("elq.linking.name_vectors.QUERIES", 64)
    linker = Linker.from_catalogue()
    made = name_vectors(Path(resolve_model(GENERAL)))(linker.entities.catalogue)
    assert made.prior == 4
    assert made.vectors.shape == (64, linker.entities.table.width)
    assert torch.isfinite(made.vectors).all()
    assert len(linker.entities.index.search(made.vectors, 1)[1].unique()) > 40
