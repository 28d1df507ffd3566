"""The contents of a model on the Hub: which files of a model folder are uploaded, and which are removed there."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

from elq.encoding.pretrained import FILES
from elq.entities.manifest import ENTITIES, ENTITY_ENCODER, MANIFEST, manifest_values, refuse_links_out
from elq.linking.decision import Decision
from elq.linking.folder import DECISION, METRICS, MODEL_FILES, TRAINING, hub_files
from elq.linking.model_folder import portable

Content = Path | bytes
CARD = "README.md"
NOTICES = ("LICENSE", "NOTICE")  # kept beside the weights where a folder has them


def contents_of(folder: Path, entities: Path, decision: Decision) -> dict[str, Content]:
    """The files of a model on the Hub, without its card: name on the Hub → file, or bytes where they are not those of a file.

    Only files that belong to a model are named, so caches, locks and temporary files in the folder stay here. Absolute paths
    are shortened to their last part.

    Args:
        folder: the model folder.
        entities: the entities folder, which may lie elsewhere.
        decision: the decision of the model.

    Raises:
        ElqError: a file of the entities is a link to a place outside its folder.
    """
    values = manifest_values(entities)
    refuse_links_out(entities, [*values["files"]])
    made: dict[str, Content] = {name: folder / name for name in (*MODEL_FILES, METRICS, TRAINING, *NOTICES)}
    made |= {f"{ENTITIES}/{name}": entities / name for name in values["files"]}
    made |= {f"{ENTITY_ENCODER}/{name}": folder / ENTITY_ENCODER / name for name in FILES}
    made = {name: content for name, content in made.items() if isinstance(content, Path) and content.is_file()}
    made[f"{ENTITIES}/{MANIFEST}"] = as_json({**values, "encoder": portable(values["encoder"])})
    made[DECISION] = as_json(asdict(decision))
    return made


def as_json(value: object) -> bytes:
    """A JSON file as `write_json` writes it."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def outdated(on_hub: Iterable[str], contents: Iterable[str]) -> list[str]:
    """The files of a model on the Hub that it no longer has, such as old segments. Files that elq does not know stay.

    >>> outdated(["entities/segment-1/table.npy", "photo.png", "config.json"], ["config.json"])
    ['entities/segment-1/table.npy']
    """
    kept, patterns = {*contents}, hub_files()
    return [name for name in on_hub if name not in kept and any(fnmatch(name, pattern) for pattern in patterns)]
