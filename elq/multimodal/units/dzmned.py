"""The unit of DZMNED (Moon et al., ACL 2018): attention over the picture, the text and the letters of a mention."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Look, Parts, Sizes, Unit, check_counts, unit_scores
from elq.multimodal.units.fused import FusedSettings, speaks_of
from elq.multimodal.units.losses import hinge
from elq.multimodal.units.parts import Scale, begin_as_identity, has_text, masked_mean, masked_softmax, project, unit_norm


@dataclass(frozen=True, kw_only=True)
class DZMNEDSettings(FusedSettings):
    """The settings of :class:`DZMNED`.

    Args:
        letters: the number of different letters. A letter with a higher number shares a vector with another one.
        letter_width: the width of the vectors of letters.
    """

    letters: int = 512
    letter_width: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, letters=2, letter_width=1)


class Letters(nn.Module):
    """A name as one vector: an LSTM over its letters in both directions, the last state of each."""

    def __init__(self, letters: int, width: int, hidden: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(letters, width)
        self.lstm = nn.LSTM(width, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, characters: Tensor) -> Tensor:
        """Vectors (..., H) of numbers of letters (..., C), with zeros behind the last letter; 0 for no letters at all."""
        names = characters.flatten(0, -2)  # (n, C)
        lengths = (names != 0).sum(-1)  # (n,)
        some = lengths > 0
        made = self.vectors.weight.new_zeros(len(names), 2 * self.lstm.hidden_size)  # (n, H)
        if some.any():
            kept = names[some]
            numbers = torch.where(kept == 0, 0, 1 + (kept - 1) % (self.vectors.num_embeddings - 1))
            packed = nn.utils.rnn.pack_padded_sequence(
                self.vectors(numbers), lengths[some].cpu(), batch_first=True, enforce_sorted=False
            )
            _, (last, _) = self.lstm(packed)  # (2, named, H / 2)
            made = made.index_put((some,), torch.cat([last[0], last[1]], -1))
        return made.view(*characters.shape[:-1], -1)


class DZMNED(Unit):
    """Attention over modalities: one vector x of a mention, compared with what is known of an entity and with its name.

    Source: Moon et al., ACL 2018, section on modality attention: with x_i, x_w and x_c of the image, the words and the
    characters, [a_i, a_w, a_c] = σ(W [x_i; x_w; x_c] + b), α = softmax a, x = Σ α x. The candidates are ranked by the
    similarity of projections of x with the vectors of the entity in the knowledge base and with its lexical vector, and the
    loss is a hinge loss. The paper has vectors of a knowledge graph; here the entity's own text, picture and letters make its
    vector, by attention with weights of its own. A modality that is missing has no share. Since both sides share the layers of
    pictures and texts, the projections of x begin as the identity, so that untrained cosines are those of x and the entity.
    """

    name = "dzmned"
    needs = frozenset({"text", "characters", "pictures"})
    settings_class = DZMNEDSettings
    settings: DZMNEDSettings

    def __init__(self, sizes: Sizes, settings: DZMNEDSettings) -> None:
        super().__init__(sizes, settings)
        hidden = settings.hidden
        self.text, self.picture = nn.Linear(sizes.text, hidden), nn.Linear(sizes.picture, hidden)
        self.letters = Letters(settings.letters, settings.letter_width, hidden)
        self.of_mention, self.of_entity = nn.Linear(3 * hidden, 3), nn.Linear(3 * hidden, 3)
        self.known, self.lexical = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        begin_as_identity(self.known)
        begin_as_identity(self.lexical)
        self.scale = Scale(settings.scale)

    def modalities(self, features: ModalityFeatures) -> tuple[Tensor, Tensor]:
        """The vectors (..., 3, H) of picture, text and letters, and which of them there are (..., 3)."""
        mask, text = features.picture_mask, has_text(features)
        pictures = masked_mean(project(self.picture, features.pictures, mask), mask)  # (..., H)
        vectors = [pictures, project(self.text, features.text, text), self.letters(features.characters)]
        there = [mask.any(-1), text, (features.characters != 0).any(-1)]
        return torch.stack(vectors, -2), torch.stack(there, -1)

    def attended(self, attention: nn.Module, vectors: Tensor, there: Tensor) -> Tensor:
        """The mean (..., H) of the modalities by their attention."""
        weights = masked_softmax(attention(vectors.flatten(-2)).sigmoid(), there)  # (..., 3)
        return (weights.unsqueeze(-1) * vectors).sum(-2)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """Both projections of x (M, H), with norm 1, and which mentions count (M,)."""
        attended = self.attended(self.of_mention, *self.modalities(mentions))
        return unit_norm(self.known(attended)), unit_norm(self.lexical(attended)), speaks_of(mentions, self.settings)

    def entity(self, entities: ModalityFeatures) -> Parts:
        """The vector of the entity and that of its name (..., H), with norm 1, and whether it has a text (...)."""
        vectors, there = self.modalities(entities)
        known = self.attended(self.of_entity, vectors, there)
        return unit_norm(known), unit_norm(vectors[..., 2, :]), has_text(entities)

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of both cosines, times the factor."""
        cosines = [(entity[i] @ mention[i].unsqueeze(-1)).squeeze(-1) for i in (0, 1)]  # (M, K) twice
        return unit_scores(self.scale((cosines[0] + cosines[1]) / 2), mention[2].unsqueeze(-1) & entity[2])

    def loss_of(self, look: Look, gold: Tensor) -> Tensor:
        """The hinge loss over all wrong candidates, a scalar."""
        return hinge(look.scores, gold, self.settings.margin)
