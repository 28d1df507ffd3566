"""Makes a model folder without training: the weights of a model, and the entities of any catalogue."""

import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from elq.encoding.device import resolve_device
from elq.encoding.pretrained import GENERAL, is_model_folder
from elq.entities.build import BuildSettings, build_entities
from elq.entities.catalogue_files import require_catalogue
from elq.entities.manifest import Manifest
from elq.entities.parts import lock_of
from elq.errors import ElqError
from elq.files import digest_of, link_or_copy, promote, replacing_folder, writing
from elq.linking.decision import Decision
from elq.linking.folder import ENTITIES, ENTITY_ENCODER, MODEL_FILES, resolve_model
from elq.linking.general import settings_for
from elq.linking.name_vectors import name_vectors

log = logging.getLogger(__name__)

CHOOSABLE = ("index", "index_options", "dtype", "precision")  # settings of a build that a model does not decide


def build_model_folder(
    source: str | Path,
    output: str | Path,
    *,
    model: str | Path = GENERAL,
    columns: Mapping[str, str] | None = None,
    device: str = "cpu",
    settings: BuildSettings | None = None,
    build: Callable[..., Manifest] = build_entities,
) -> Manifest:
    """Make a model folder over a catalogue from the weights of a model, without training.

    The folder appears when it is complete. A call that was killed resumes when it is made again. If the folder exists and has
    the same weights, only its entities are made again, and only if they are out of date; its decision stays.

    Args:
        source: JSONL, JSON, CSV or Parquet file of entities.
        output: the model folder to make.
        model: the model in the package, or the folder or Hub name of a model whose weights are used.
        columns: our field → the name in the source, for the fields whose names differ.
        device: where the entity encoder runs.
        settings: how the entities are built; None: as the model needs them.
        build: builds the entities; it has the arguments of :func:`elq.build_entities`, and may use other machines.

    Raises:
        ElqError: the catalogue is bad, there is no such model, or the folder exists and is another one.
    """
    path, output = resolve_model(model), Path(output)
    output = output if output.name else output.resolve()  # "." has no name
    settings = settings or settings_for(path)
    if build is build_entities:
        resolve_device(device)
        build = partial(build_entities, mentions=name_vectors(path))
    require_catalogue(Path(source), columns)
    with lock_of(output):
        if output.exists() and not (output.is_dir() and not any(output.iterdir())):
            _refuse_another(output, path)
            return build(source, output / ENTITIES, settings, columns=columns, device=device)
        work = output.with_name(f".{output.name}.building")
        with writing(work):
            work.mkdir(exist_ok=True)
        manifest = build(source, work / ENTITIES, settings, columns=columns, device=device)
        with writing(work):
            put_model(path, work)
            for left in work.glob(f".{ENTITIES}.*"):  # locks of the build
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        promote(work, output)
    log.info("%s is complete: the weights of %s, and %s entities", output, model, f"{manifest.entities:,}")
    return manifest


def _refuse_another(output: Path, model: Path) -> None:
    """Refuse a folder that is not a model folder with the weights of ``model``, because its content would be lost."""
    files = [output / name for name in MODEL_FILES]
    if not all(file.is_file() for file in files) or not is_model_folder(output):
        raise ElqError(f"{output} exists and is not a model folder: choose another --output, or remove the folder")
    if digest_of(files) != digest_of([model / name for name in MODEL_FILES]):
        raise ElqError(f"{output} is the folder of another model: choose another --output, or remove the folder")


def link_model_folder(output: str | Path, *, model: str | Path, entities: str | Path) -> None:
    """Make a model folder from the weights of a model and an entities folder. It appears only when it is complete.

    Args:
        output: the folder to make; an older one is replaced.
        model: the model in the package, or the folder or Hub name of a model.
        entities: the entities folder.
    """
    with replacing_folder(output) as made:
        put_model(resolve_model(model), made)
        link_entities(Path(entities), made, Manifest.load(Path(entities)))


def put_model(model: Path, folder: Path) -> None:
    """Put the files of a model into a folder, without its entities. The large files get hard links, or are copied."""
    for name in MODEL_FILES:
        (folder / name).unlink(missing_ok=True)  # of a call that was killed
        if name.endswith(".json"):
            shutil.copyfile(model / name, folder / name)  # people may edit it, which must not change the other folder
        else:
            link_or_copy(model / name, folder / name)
    Decision.load(model).save(folder)
    _link_files(model / ENTITY_ENCODER, folder / ENTITY_ENCODER)


def link_entities(source: Path, folder: Path, manifest: Manifest) -> None:
    """Put the entities of an opened entities folder into a model folder, with hard links or as copies.

    Args:
        source: the entities folder.
        folder: the model folder, which has no entities yet.
        manifest: the manifest of the entities.
    """
    (folder / ENTITIES).mkdir()
    for name in manifest.files:
        (folder / ENTITIES / name).parent.mkdir(exist_ok=True)
        link_or_copy(source / name, folder / ENTITIES / name)
    replace(manifest, encoder=portable(manifest.encoder)).save(folder / ENTITIES)
    if not (folder / ENTITY_ENCODER).is_dir():
        _link_files(source.parent / ENTITY_ENCODER, folder / ENTITY_ENCODER)  # a model folder made by `elq import` has one


def _link_files(source: Path, target: Path) -> None:
    """Put the files of a folder, if it exists, into a new folder, which replaces an older one."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for file in source.iterdir():
            link_or_copy(file, target / file.name)


def portable(value: Any) -> Any:
    """A value of a configuration with only the last part of every absolute path, which is useless on another machine.

    >>> portable({"dev": "/home/me/questions/dev.jsonl", "sources": ["../shared/train.jsonl", 3]})
    {'dev': 'dev.jsonl', 'sources': ['../shared/train.jsonl', 3]}
    """
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def refuse_decided(names: Iterable[str], model: str | Path) -> None:
    """Refuse settings of a build that the model decides.

    Args:
        names: the settings that were given, as the user wrote them.
        model: the name of the model, for the message.

    Raises:
        ElqError: a setting is given that is not in ``CHOOSABLE``.
    """
    decided = [name for name in names if name.rpartition(".")[2].lstrip("-").replace("-", "_") not in CHOOSABLE]
    if decided:
        raise ElqError(f"{', '.join(decided)} cannot be given, because the model {model} decides it: leave it out")
