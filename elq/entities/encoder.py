"""The same encoder: encodes new records with the encoder that made an entities folder, and refuses another one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from elq.encoding.pretrained import FILES, GENERAL, resolve_encoder
from elq.entities.build import BuildSettings, EncodedTexts
from elq.entities.manifest import ENTITY_ENCODER, Entities, Manifest
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.files import digest_of
from elq.names.lengths import Lengths
from elq.tensors import Array
from elq.types import Entity

SAMPLE = 8  # rows that are encoded again, to see whether the encoder made the table
NEAR = 0.02  # the largest difference of a number of such a row


def settings_of(manifest: Manifest, encoder: str | None = None) -> BuildSettings:
    """The settings with which further entities get the same kind of vectors.

    Args:
        manifest: what made the vectors that are there.
        encoder: the same encoder under another name; by default under the name in the manifest.
    """
    text: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in manifest.text.items()}
    same = {name: getattr(manifest, name) for name in ("pooling", "max_tokens", "dtype", "precision")}
    return BuildSettings(encoder=encoder or manifest.encoder, text=EntityText(**text), prior=tuple(manifest.prior), **same)


def encoded(place: Path, opened: Entities, new: Sequence[Entity], encoder: str | None, device: str) -> Array:
    """The vectors of new records, by the encoder that made the folder.

    Raises:
        ElqError: the encoder cannot be found, or it is another one.
    """
    about = opened.manifest
    if not new:
        return np.empty((0, about.width), np.float32)
    beside = place.parent / ENTITY_ENCODER
    name = encoder or (str(beside) if beside.is_dir() else about.encoder)
    try:
        digest = digest_of([resolve_encoder(name) / file for file in FILES])
    except ElqError as error:
        raise ElqError(f"{error} (it must be the encoder that made {place}: --encoder)") from None
    same = digest == about.encoder_sha256
    if about.encoder_sha256 and not same and name != GENERAL:
        raise ElqError(
            f"encoder {name} has the sha256 sum {digest[:12]}…, but that of the encoder that made {place} is"
            f" {about.encoder_sha256[:12]}…: give that encoder with --encoder, or build the entities again"
        )
    settings = settings_of(about, name)
    source = EncodedTexts(settings, device)
    if not same:  # the weights in the package change with elq, but their entity tower, which makes the vectors, does not
        _refuse_another(opened, source, name)
    made = source.vectors([*Lengths(name).watched(new)])
    if not np.isfinite(made.astype(about.dtype)).all():
        raise ElqError(f"encoder {name} gave NaN or Inf in {about.dtype} for a new record: use another encoder")
    return made


def _refuse_another(opened: Entities, source: EncodedTexts, name: str) -> None:
    """Refuse an encoder that gives other vectors than the table has, where the checksum in the manifest does not say it."""
    some = [row for row in range(0, len(opened.table), max(1, len(opened.table) // SAMPLE))][:SAMPLE]
    there = opened.table.gather(torch.tensor(some, dtype=torch.int64)).numpy()
    made = source.vectors([opened.catalogue[row] for row in some])
    if made.shape != there.shape or np.abs(made - there).max() > NEAR:
        raise ElqError(
            f"encoder {name} gives other vectors than the table has, so another encoder made it: give that encoder with"
            " --encoder, or build the entities again"
        )
