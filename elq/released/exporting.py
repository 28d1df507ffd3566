"""Exporting: writes a model folder in the layout of the released ELQ (and BLINK).

`elq import` reads this layout:

    elq.bin  elq_params.txt  encoder/{config.json,vocab.txt}  entity.jsonl  all_entities.t7  faiss_hnsw_index.pkl

Only a model that the released code can compute can be exported: a BERT without projection, unit norm, prior or name scores.
The table is written in fp32, and torch files are written in the legacy format. A flat index is not written, because the
released code then searches the table.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from elq.encoding.pretrained import load_tokenizer
from elq.entities.manifest import Entities, open_entities, refuse_changed
from elq.errors import ElqError
from elq.files import link_or_copy, replacing, replacing_folder, write_json
from elq.linking.folder import ENTITIES, ENTITY_ENCODER, resolve_model
from elq.model.network import ELQ
from elq.progress import track
from elq.released.formats import ENTITY, FIXED, QUESTION, released_name
from elq.search.hnsw import HNSW_FILE, HnswIndex
from elq.search.table import BLOCK, EntityTable
from elq.tensors import Array
from elq.types import Entity


def export_blink(folder: str | Path, output: str | Path) -> None:
    """Write a model folder in the released layout. The output appears only when it is complete.

    Args:
        folder: a model folder with ``entity_encoder/``, such as one that `elq import` has made.
        output: the folder to make.

    Raises:
        ElqError: the released code cannot compute the model, the folder has no entity encoder, or the output folder exists.
    """
    folder, output = resolve_model(folder), Path(output)
    if output.exists():
        raise ElqError(f"{output} already exists: give another folder with --output, or remove it")
    model, entities = ELQ.from_pretrained(folder), open_entities(folder / ENTITIES)
    refuse_changed(entities, "`elq export`")
    _refuse_beyond_released(folder, model)
    with replacing_folder(output) as made:
        _write_weights(folder, model, made / "elq.bin")
        _write_params(folder, model, entities, made)
        with replacing(made / "entity.jsonl") as stream:
            stream.writelines(f"{json.dumps(entity_record(entity), ensure_ascii=False)}\n" for entity in _tracked(entities))
        _write_table(entities.table, made / "all_entities.t7")
        if isinstance(entities.index, HnswIndex):
            link_or_copy(folder / ENTITIES / entities.manifest.base / HNSW_FILE, made / "faiss_hnsw_index.pkl")


def entity_record(entity: Entity) -> dict[str, str]:
    """One record of ``entity.jsonl``. If the Wikipedia page of an entity is not stored, the record has a substitute.

    >>> entity_record(Entity("curid=7", "Kufut", "Kufut", "a town"))["idx"]
    'https://en.wikipedia.org/wiki?curid=7'
    """
    page = entity.id if entity.id.startswith("curid=") else f"row={entity.id}"
    record = {"text": f" {entity.description}", "idx": f"https://en.wikipedia.org/wiki?{page}"}
    record |= {"title": entity.title, "entity": entity.title}
    return record if entity.id.startswith(("curid=", "row=")) else {**record, "kb_idx": entity.id}


def _tracked(entities: Entities) -> Iterator[Entity]:
    return track(entities.catalogue, "writing entity.jsonl", len(entities.catalogue))


def _refuse_beyond_released(folder: Path, model: ELQ) -> None:
    config = model.config
    if config.prior:
        raise ElqError(f"{folder} has a prior, but the released layout cannot store one: train with model.prior=[]")
    for name in ("projection", "unit_norm", "names"):
        if getattr(config, name):
            raise ElqError(
                f"{folder} has {name} true, but the released layout cannot store this setting: train with model.{name}=false"
            )
    if config.encoder.get("model_type") != "bert":
        raise ElqError(
            f"{folder} has an encoder of type {config.encoder.get('model_type')}, but the released layout needs BERT: train"
            " with a BERT as model.encoder"
        )
    if not (folder / ENTITY_ENCODER / "model.safetensors").is_file():
        raise ElqError(
            f"{folder} has no {ENTITY_ENCODER}, which the released layout needs: export a folder that `elq import` has made"
        )


def _save(value: object, path: Path) -> None:
    """Write a torch file in the legacy format. A tensor in a memory-mapped file is not read into memory first."""
    with replacing(path, "wb") as stream:
        torch.save(value, stream, _use_new_zipfile_serialization=False)


def _write_weights(folder: Path, model: ELQ, path: Path) -> None:
    from safetensors.torch import load_file

    weights = {released_name(key): value for key, value in model.state_dict().items()}
    weights |= {ENTITY + key: value for key, value in load_file(folder / ENTITY_ENCODER / "model.safetensors").items()}
    width = model.encoder.width
    for prefix in (QUESTION, ENTITY):  # the released code needs the weights of BERT's pooler, but does not use them
        weights |= {f"{prefix}pooler.dense.weight": torch.zeros(width, width), f"{prefix}pooler.dense.bias": torch.zeros(width)}
    _save(weights, path)


def _write_params(folder: Path, model: ELQ, entities: Entities, made: Path) -> None:
    tokenizer, of_entities = (
        json.loads((place / "tokenizer.json").read_text(encoding="utf-8")) for place in (folder, folder / ENTITY_ENCODER)
    )
    params = {
        "bert_model": entities.manifest.encoder,
        **FIXED,
        "max_mention_length": model.config.max_span_tokens - 1,
        "max_context_length": model.config.question_tokens,
        "max_cand_length": (of_entities.get("truncation") or {}).get("max_length", 128),
        "lowercase": tokenizer["normalizer"].get("lowercase", True),
        "out_dim": 1,
        "no_mention_bounds": True,
        "freeze_cand_enc": True,
        "debug": False,
    }
    write_json(made / "elq_params.txt", params)
    (made / "encoder").mkdir()
    write_json(made / "encoder" / "config.json", asdict(model.config)["encoder"])
    words = load_tokenizer(folder).words
    with replacing(made / "encoder" / "vocab.txt") as stream:
        stream.writelines(f"{word}\n" for word in words)


def _write_table(table: EntityTable, path: Path) -> None:
    """Write the table as one fp32 tensor. A float16 table is first converted in a temporary file, not in memory."""
    if table.dtype == "float32":
        _save(table.tensor(), path)
        return
    temporary = path.with_suffix(".fp32")
    try:
        widened: Array = np.memmap(temporary, np.float32, "w+", shape=(len(table), table.width))
        for start in track(range(0, len(table), BLOCK), "converting the table to fp32"):
            widened[start : start + BLOCK] = table.tensor(start, start + BLOCK).numpy()
        _save(torch.from_numpy(widened), path)
    finally:
        temporary.unlink(missing_ok=True)
