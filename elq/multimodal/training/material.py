"""Material: the features of many mentions, which are kept on the disk once they are computed."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from elq.disambiguation.disambiguator import Disambiguator
from elq.files import digest_of
from elq.multimodal.examples import PicturedMention
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.picture_features import MentionPictures, pictures_of
from elq.multimodal.text_features import TextTower, cached
from elq.vision.store import FeatureStore
from elq.vision.tower import ImageTower

log = logging.getLogger(__name__)

STORE = "pictures"  # in the folder of the cache


@dataclass(frozen=True, slots=True)
class Material:
    """Mentions with their features."""

    examples: Sequence[PicturedMention]
    rows: Sequence[int]  # the catalogue rows of their gold entities
    features: MentionFeatures

    @property
    def pictures(self) -> MentionPictures:
        """Their pictures."""
        return self.features.pictures

    def shown(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The vectors (R, I, V) of the pictures of R mentions, and which are there, (R, I)."""
        whole, _, mask = self.pictures.at(numbers, patches=False)
        return whole, mask


class FeatureMaker:
    """Makes the features of mentions, and keeps them in a folder.

    Args:
        base: the bi-encoder.
        tower: the image tower.
        folder: the folder.
        prompt: what shows a box.
        needs: what units read.
    """

    def __init__(self, base: Disambiguator, tower: ImageTower, folder: Path, prompt: str, needs: Collection[str]) -> None:
        self.texts, self.tower, self.folder, self.prompt, self.needs = TextTower(base), tower, folder, prompt, needs
        self.store = FeatureStore(folder / STORE, tower)

    def mentions(self, examples: Sequence[PicturedMention], what: str) -> Material:
        """The features of mentions; ``what`` they are stands in the log."""
        key = digest_of([], f"{self._weights()} {[(one.text, one.start, one.end) for one in examples]}")[:16]
        texts = cached(
            self.folder / f"mentions-{key}",
            len(examples),
            lambda part: self.texts.mentions([examples[number] for number in part]),
            f"{what} mentions",
        )
        pictures = pictures_of(examples, self.store, prompt=self.prompt)
        features = MentionFeatures.of(self.texts.base, examples, texts, pictures, self.needs)
        return Material(examples, [one.row for one in examples], features)

    def keep_entities(self, features: EntityFeatures, rows: Sequence[int]) -> None:
        """Compute the words of the entities in catalogue rows, and give them to their features."""
        about = self.texts.base.entities.manifest
        key = digest_of([], f"{about.catalogue_sha256} {about.encoder_sha256} {about.text} {[*rows]}")[:16]
        texts = cached(
            self.folder / f"entities-{key}",
            len(rows),
            lambda part: self.texts.entities([rows[number] for number in part]),
            "entities",
        )
        features.keep(rows, texts)

    def _weights(self) -> str:
        network = self.texts.base.network
        sums = [float(value.detach().double().sum()) for value in network.parameters()]
        return f"{network.config} {sums}"
