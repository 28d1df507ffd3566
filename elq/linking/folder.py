"""The saved model folder: which files it contains, and how it is found.

    config.json  model.safetensors  tokenizer.json        the network (elq/model/network.py)
    decision.json                                         how its scores become links (elq/linking/decision.py)
    entities/manifest.json                                facts about the entities (elq/entities/manifest.py)
    entities/catalogue.arrow  table.npy  names.arrow      catalogue, table, names (elq/names/stored.py)
    entities/index.faiss                                  index (if its kind has a file)
    entities/base-N/  segment-N/  removed-N.npy           only after changes (elq/entities/edit.py)
    entity_encoder/                                       only in an imported model: the encoder that made its table
                                                          (elq/released/importing.py)
    metrics.json  training.yaml                           scores on the development questions, and the settings of the training
    exports.json  encoder.*                               only after `elq export`: the encoder for another backend (exports.py)

``elq build`` makes the entities folder only; a training, or ``elq build --model``, makes the other files. No file is a pickle.
"""

from pathlib import Path

from elq.encoding.hub import download, refusal
from elq.encoding.pretrained import FILES, GENERAL, WEIGHTS
from elq.entities.manifest import ENTITIES as ENTITIES
from elq.entities.manifest import ENTITY_ENCODER as ENTITY_ENCODER
from elq.entities.manifest import MANIFEST, entity_files, manifest_values, refuse_links_out
from elq.entities.segments import IMAGE_FILES, IMAGES
from elq.errors import ElqError
from elq.model.config import refuse_other_kind

DECISION = "decision.json"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")
METRICS, TRAINING = "metrics.json", "training.yaml"  # people and `elq info` read them; the linker does not


def all_files() -> tuple[str, ...]:
    """The files that a linker reads, including those of every registered index kind."""
    return (*MODEL_FILES, DECISION, *(f"{ENTITIES}/{name}" for name in (MANIFEST, *entity_files())))


def hub_files() -> tuple[str, ...]:
    """Patterns of the files that belong to a model folder on the Hub. Nothing else is downloaded."""
    parts = [f"{ENTITIES}/{part}/{name}" for part in ("base-*", "segment-*") for name in entity_files()]
    parts += [f"{ENTITIES}/{IMAGES}-*/{name}" for name in IMAGE_FILES]
    encoder = [f"{ENTITY_ENCODER}/{name}" for name in FILES]
    return (*all_files(), *parts, f"{ENTITIES}/removed-*.npy", *encoder, METRICS, TRAINING)


def resolve_model(name: str | Path, *, revision: str | None = None, token: str | None = None) -> Path:
    """Find a model folder, by its path or by its name on the Hub (``owner/name``), and check that it is complete.

    Args:
        name: a path, or a name on the Hub. If there is a folder of that name, it is the folder.
        revision: a branch, a tag or a commit of the model on the Hub; None: ``main``.
        token: the token for a private model on the Hub; None: that of HF_TOKEN or of `hf auth login`.

    Raises:
        ElqError: there is no such folder and no such name, a file is missing or is a link to a place outside the folder, or a
            folder is given with a revision.
    """
    path = WEIGHTS if str(name) == GENERAL else Path(name).expanduser()
    if path.is_dir() and revision is not None:
        raise ElqError(
            f"the revision {revision} is given, but {name} is a folder, which has no revisions: leave out the revision, or"
            " start in a folder in which the name is not also a path"
        )
    path = path if path.is_dir() else _from_hub(str(name), revision, token)
    refuse_other_kind(path)
    if missing := [file for file in MODEL_FILES if not (path / file).is_file()]:
        raise ElqError(
            f"model folder {path} lacks {', '.join(missing)}: give the model folder that a training or `elq import` made, such"
            " as runs/webqsp/latest/model"
        )
    refuse_links_out(path, all_files())
    return path


def _from_hub(name: str, revision: str | None, token: str | None) -> Path:
    shown = name if revision is None else f"{name} at revision {revision}"
    try:
        path = download(name, hub_files(), revision=revision, token=token)
    except Exception as error:  # of any kind that huggingface_hub raises
        why = refusal(error)
        raise ElqError(
            f"model {shown} is not a folder and cannot be downloaded from the Hub ({why.reason}): {why.remedy}, or give the"
            " path of a model folder"
        ) from None
    if missing := [file for file in _expected(path) if not (path / file).is_file()]:
        raise ElqError(
            f"model {shown} lacks {', '.join(missing)} in {path}: if the download broke off, connect to the Hub and try again;"
            " if not, its owner has to push it again"
        )
    return path


def _expected(path: Path) -> list[str]:
    """The files that a downloaded folder must have: those of the model, and those that the manifest names, if it is there."""
    manifest = manifest_values(path / ENTITIES) if (path / ENTITIES / MANIFEST).is_file() else {}
    return [*MODEL_FILES, *(f"{ENTITIES}/{name}" for name in manifest.get("files", ()))]
