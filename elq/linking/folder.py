"""The saved model folder, declared once: which files there are.

    config.json  model.safetensors  tokenizer.json        the network (elq/model/network.py)
    decision.json                                         how its scores become links (elq/linking/decision.py)
    entities/manifest.json                                facts about the entities (elq/entities/manifest.py)
    entities/catalogue.arrow  table.npy  index.faiss      catalogue, table, index (only where its kind has a file)
    entity_encoder/                                       of a released model: what made its table (elq/released/importing.py)
    metrics.json  training.yaml                           scores on the development questions, and how it was trained

``elq build`` makes the entities folder alone; a training adds the rest. Nothing is pickled.
"""

from pathlib import Path

from elq.entities.manifest import MANIFEST, entity_files, refuse_links_out
from elq.errors import ElqError

DECISION, ENTITIES, ENTITY_ENCODER = "decision.json", "entities", "entity_encoder"
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")
METRICS, TRAINING = "metrics.json", "training.yaml"  # for people and `elq info`: no linker reads them


def all_files() -> tuple[str, ...]:
    """The files that a linker reads, those of every registered index kind included."""
    return (*MODEL_FILES, DECISION, *(f"{ENTITIES}/{name}" for name in (MANIFEST, *entity_files())))


def resolve_model(name: str | Path) -> Path:
    """The whole model folder of a path, or of a name on the Hub (``owner/name``).

    Raises:
        ElqError: neither, or files are missing or are links out of the folder.
    """
    path = Path(name).expanduser()
    path = path if path.is_dir() else _from_hub(str(name))
    if missing := [file for file in MODEL_FILES if not (path / file).is_file()]:
        raise ElqError(f"model folder {path} lacks {', '.join(missing)}: give a folder that training exported")
    refuse_links_out(path, all_files())
    return path


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[*all_files(), METRICS, TRAINING]))
    except Exception as error:  # offline, unknown name, no access: the remedy is the same
        raise ElqError(
            f"model {name} is neither a folder nor to be had from the Hub ({type(error).__name__}): train one with"
            " `python train.py +experiment=webqsp` or give another folder"
        ) from None
