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

``elq build`` makes the entities folder only; a training, or ``elq build --model``, makes the other files. No file is a pickle.
"""

from pathlib import Path

from elq.encoding.pretrained import GENERAL, WEIGHTS
from elq.entities.manifest import ENTITIES as ENTITIES
from elq.entities.manifest import ENTITY_ENCODER as ENTITY_ENCODER
from elq.entities.manifest import MANIFEST, entity_files, refuse_links_out
from elq.errors import ElqError

DECISION = "decision.json"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")
CHANGES = tuple(f"{ENTITIES}/{name}" for name in ("base-*", "segment-*", "removed-*"))  # what a changed folder has besides
METRICS, TRAINING = "metrics.json", "training.yaml"  # people and `elq info` read them; the linker does not


def all_files() -> tuple[str, ...]:
    """The files that a linker reads, including those of every registered index kind."""
    return (*MODEL_FILES, DECISION, *(f"{ENTITIES}/{name}" for name in (MANIFEST, *entity_files())))


def resolve_model(name: str | Path) -> Path:
    """Find a model folder, by its path or by its name on the Hub (``owner/name``), and check that it is complete.

    Raises:
        ElqError: there is no such folder and no such name, or a file is missing or is a link to a place outside the folder.
    """
    path = WEIGHTS if str(name) == GENERAL else Path(name).expanduser()
    path = path if path.is_dir() else _from_hub(str(name))
    if missing := [file for file in MODEL_FILES if not (path / file).is_file()]:
        raise ElqError(
            f"model folder {path} lacks {', '.join(missing)}: give the model folder that a training or `elq import` made, such"
            " as runs/webqsp/latest/model"
        )
    refuse_links_out(path, all_files())
    return path


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[*all_files(), *CHANGES, METRICS, TRAINING]))
    except Exception as error:  # no connection, an unknown name or no access: the remedy is the same
        raise ElqError(
            f"model {name} is not a folder and cannot be downloaded from the Hub ({type(error).__name__}): train a model with"
            " `elq train experiment=starter`, or give the path of a model folder"
        ) from None
