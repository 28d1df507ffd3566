"""The base of a multimodal model: a bi-encoder, trained or not, over the entities of a catalogue with pictures."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from elq.disambiguation.data import PRIOR, TEXTS
from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.ranking import Ranking
from elq.encoding.marked import MarkedTexts
from elq.encoding.pretrained import encoder_values, resolve_encoder
from elq.entities.build import BuildSettings, build_entities
from elq.entities.encoder import settings_of
from elq.entities.image_build import build_images
from elq.entities.manifest import ENTITIES, ENTITY_ENCODER, Manifest, open_entities, refuse_changed
from elq.model.biencoder import BiEncoder
from elq.model.config import kind_of

log = logging.getLogger(__name__)

KIND = "biencoder"


def is_biencoder(encoder: str) -> bool:
    """Whether a name is the folder of a bi-encoder, and not that of a plain encoder."""
    return Path(encoder).expanduser().is_dir() and kind_of(Path(encoder).expanduser()) == KIND


def text_width(encoder: str) -> int:
    """D, the width of the vectors of an encoder or of a bi-encoder, without its weights."""
    return int(encoder_values(resolve_encoder(encoder))["hidden_size"])


def base_settings(encoder: str, build: BuildSettings) -> BuildSettings:
    """How the entities are built: as those of the bi-encoder, or with the plain encoder.

    Args:
        encoder: the folder of a bi-encoder, or an encoder.
        build: data type, precision and index.
    """
    if not is_biencoder(encoder):
        return replace(build, encoder=build.encoder or encoder, prior=PRIOR, text=TEXTS["blink"])
    folder = Path(encoder).expanduser()
    tower = folder / ENTITY_ENCODER
    same = settings_of(Manifest.load(folder / ENTITIES), str(tower) if tower.is_dir() else None)
    return replace(same, dtype=build.dtype, precision=build.precision, index=build.index, index_options=build.index_options)


def make_base(
    encoder: str, catalogue: str, entities: str, build: BuildSettings, columns: Mapping[str, str] | None, device: str
) -> None:
    """Build the entities folder of the base, unless it is up to date."""
    build_entities(catalogue, entities, base_settings(encoder, build), columns=columns, device=device)


def open_base(encoder: str, entities: str, device: str = "cpu") -> Disambiguator:
    """The base over an entities folder that :func:`make_base` has built.

    A plain encoder becomes a bi-encoder that nobody has trained, whose entities keep the vectors of the encoder.
    """
    opened = open_entities(entities)
    refuse_changed(opened, "a training")
    network, texts = opened_network(encoder)
    ranking = Ranking.load(Path(encoder).expanduser()) if is_biencoder(encoder) else None
    return Disambiguator(network.to(device).eval(), texts, opened, ranking)


def opened_network(encoder: str) -> tuple[BiEncoder, MarkedTexts]:
    """The bi-encoder in a folder, or the untrained one of a plain encoder."""
    if is_biencoder(encoder):
        return BiEncoder.from_pretrained(Path(encoder).expanduser())
    return BiEncoder.from_encoder(encoder, entity_tower="frozen")


def make_pictures(entities: str, catalogue: str, tower: str, store: Path, *, parts: bool = False) -> None:
    """Put the vectors of the pictures of the entities into their folder, unless they are there.

    Args:
        entities: the entities folder.
        catalogue: the catalogue file, to whose folder the paths of pictures are relative.
        tower: the name or folder of the image tower.
        store: the folder in which the vectors of pictures are kept.
        parts: whether the main part of a picture counts as one more picture of its entity.
    """
    build_images(entities, Path(catalogue).parent, tower, store=store, parts=parts)
