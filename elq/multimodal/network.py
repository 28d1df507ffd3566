"""The multimodal network: several units, whose scores become one by a weighted mean of those that are valid.

File format of a saved network: ``config.json`` (:class:`NetworkConfig`) and ``model.safetensors``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from elq.encoding.packed import load_weights
from elq.errors import ElqError
from elq.files import write_json
from elq.model.network import save_weights
from elq.multimodal.config import CONFIG, NetworkConfig, noise_settings, read_config
from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.noise import (
    Agreement,
    NoiseFilter,
    NoiseParts,
    NoiseReport,
    choose_thresholds,
    joined,
    report,
    right_at_one,
)
from elq.multimodal.unit import Look, Sizes, Unit, cross_entropy
from elq.multimodal.units.kinds import make_unit, settings_of

WEIGHTS = "model.safetensors"


Batch = tuple[ModalityFeatures, ModalityFeatures, Tensor, Tensor | None]  # mentions, entities, gold, rows


@dataclass(frozen=True)
class Looks:
    """What a network has computed for a batch."""

    total: UnitScores
    units: dict[str, Look] = field(default_factory=dict)
    noise: tuple[NoiseParts, NoiseParts, Agreement] | None = None  # of mentions and candidates


def weighted_mean(scores: Tensor, valid: Tensor, weights: Tensor) -> UnitScores:
    """The weighted mean of the valid scores of each candidate. One valid score alone is taken as it is, bit for bit.

    Args:
        scores: (U, M, K) of U units.
        valid: (U, M, K) bool.
        weights: (U,) above 0, or (U, M) for each mention.

    Returns:
        Scores (M, K), which are −inf where no unit is valid.

    >>> scores = torch.tensor([[[1.0, 0.1]], [[4.0, 9.0]]])
    >>> valid = torch.tensor([[[True, True]], [[True, False]]])
    >>> weighted_mean(scores, valid, torch.tensor([2.0, 1.0])).scores
    tensor([[2.0000, 0.1000]])
    """
    finite = scores.masked_fill(~valid, 0.0)  # (U, M, K)
    shares = weights.view(len(scores), -1, 1) * valid  # (U, M, K)
    mean = (shares * finite).sum(0) / shares.sum(0).clamp(min=torch.finfo(scores.dtype).tiny)  # (M, K)
    total = torch.where(valid.sum(0) == 1, finite.sum(0), mean)  # (M, K)
    return UnitScores(total.masked_fill(~valid.any(0), -torch.inf), valid.any(0))


class MultimodalNetwork(nn.Module):
    """Several units and the weights of their mean.

    Args:
        config: the configuration.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        sizes = Sizes(text=config.text, picture=config.picture)
        made = {name: make_unit(name, sizes, settings_of(name, **values)) for name, values in config.units.items()}
        self.units = nn.ModuleDict(made)
        learned = config.mean != "equal" and len(made) > 1
        shape = (2, len(made)) if config.mean == "by_words" else (len(made),)
        self.noise: NoiseFilter | None = None
        if config.noise is not None:
            self.noise = NoiseFilter(sizes, noise_settings(config.noise))
        self.log_weights = nn.Parameter(torch.zeros(shape)) if learned else None

    @property
    def needs(self) -> frozenset[str]:
        """The parts of the features that the units and the filter read."""
        filtered = frozenset() if self.noise is None else frozenset({"text", "pictures"})
        return filtered.union(*(unit.needs for unit in self._units().values()))

    def _units(self) -> dict[str, Unit]:
        return {name: unit for name, unit in self.units.items() if isinstance(unit, Unit)}

    def weights(self) -> Tensor:
        """The weights (U,) of the units in the mean; their sum is 1.

        With ``by_words`` they are (2, U): of mentions whose words are no name in the catalogue, and of the others.
        """
        if self.log_weights is None:
            return torch.full((len(self.units),), 1 / len(self.units))
        return self.log_weights.softmax(-1)

    def _weights_of(self, named: Tensor) -> Tensor:
        """The weights (U,) of all mentions, or (U, M) of those whose words are a name or not, (M,) bool."""
        weights = self.weights().to(named.device)
        return weights if weights.dim() == 1 else weights[named.long()].T

    def look(self, mentions: ModalityFeatures, entities: ModalityFeatures, rows: Tensor | None = None) -> Looks:
        """The total, and what each unit has computed; the arguments are those of :meth:`forward`."""
        noise = None
        if self.noise is not None:
            sides = self.noise.parts(mentions), self.noise.parts(entities)
            other = sides[1] if rows is None else NoiseParts(*(part[rows] for part in sides[1]))
            agreement = self.noise.agreement(sides[0], other)
            noise = sides[0], other, agreement
            mentions = mentions._replace(picture_mask=mentions.picture_mask & self.noise.keeps(agreement).unsqueeze(-1))
        looks = {name: unit.look(mentions, entities, rows) for name, unit in self._units().items()}
        said = [look.scores for look in looks.values()]
        scores, valid = torch.stack([each.scores for each in said]), torch.stack([each.valid for each in said])
        return Looks(weighted_mean(scores, valid, self._weights_of(mentions.named)), looks, noise)

    def forward(self, mentions: ModalityFeatures, entities: ModalityFeatures, rows: Tensor | None = None) -> UnitScores:
        """The total of the candidates.

        Args:
            mentions: the features of M mentions.
            entities: the features (M, K, …) of their candidates, or those (N, …) of entities, of which ``rows`` chooses.
            rows: (M, K) int64, the candidates of each mention among N entities. Entities are then encoded only once.

        Returns:
            Scores (M, K), which are −inf where no unit can say anything.
        """
        return self.look(mentions, entities, rows).total

    def losses_of(self, looks: Looks, gold: Tensor) -> dict[str, Tensor]:
        """The loss of the total, and that of each unit by name, each a scalar that is not weighted yet."""
        units = self._units()
        own = {name: units[name].loss_of(look, gold) for name, look in looks.units.items() if units[name].settings.loss_weight}
        if self.noise is not None and looks.noise is not None and self.noise.settings.loss_weight:
            own["noise"] = self.noise.loss(looks.noise[0], looks.noise[1], gold)
        return {"total": cross_entropy(looks.total, gold), **own}

    def loss(self, mentions: ModalityFeatures, entities: ModalityFeatures, gold: Tensor, rows: Tensor | None = None) -> Tensor:
        """The weighted sum of the cross-entropy of the total and the units' own losses, a scalar.

        Args:
            mentions: as in :meth:`forward`.
            entities: as in :meth:`forward`.
            gold: (M,) int64 the number of the right one among the K candidates, −1 if it is not there.
            rows: as in :meth:`forward`.
        """
        return self.weighted(self.losses_of(self.look(mentions, entities, rows), gold))

    def weighted(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the losses that :meth:`losses_of` gives, a scalar."""
        weight = {"total": self.config.total_loss} | {name: unit.settings.loss_weight for name, unit in self._units().items()}
        if self.noise is not None:
            weight["noise"] = self.noise.settings.loss_weight
        return torch.stack([weight[name] * loss for name, loss in losses.items()]).sum()

    @torch.inference_mode()
    def choose_noise(self, batches: Iterable[Batch]) -> NoiseReport:
        """Choose the thresholds of the filter on development data, and say what they do there.

        Args:
            batches: mentions, entities, gold and rows, as :meth:`loss` has them. A mention without a gold candidate does not
                count.

        Raises:
            ElqError: the network has no filter, or no mention has a gold candidate.
        """
        if self.noise is None:
            raise ElqError("the network has no noise filter: set noise to {} in its configuration, or take the preset hq")
        self.noise.thresholds.fill_(-torch.inf)
        parts = []
        for mentions, entities, gold, rows in batches:
            looks = self.look(mentions, entities, rows)
            without = mentions._replace(picture_mask=torch.zeros_like(mentions.picture_mask))
            kept, dropped = (right_at_one(said, gold) for said in (looks.total, self(without, entities, rows)))
            assert looks.noise is not None
            counts = gold >= 0
            parts.append((Agreement(*(part[counts] for part in looks.noise[2])), kept[counts], dropped[counts]))
        if not sum(len(part[1]) for part in parts):
            raise ElqError("0 mentions of the development data have a gold candidate, but 1 is needed: give other data")
        agreement, kept, dropped = joined(parts)
        self.noise.thresholds.copy_(torch.tensor(choose_thresholds(agreement, kept, dropped)))
        return report(agreement, kept, dropped, self.noise)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into an existing folder."""
        folder = Path(folder)
        write_json(folder / CONFIG, asdict(self.config))
        save_weights(folder / WEIGHTS, {name: value.detach().cpu().numpy() for name, value in self.state_dict().items()})

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "MultimodalNetwork":
        """Read a network from the files that :meth:`save_pretrained` wrote.

        Raises:
            ElqError: a file is missing or unreadable, or the weights are not those that config.json describes.
        """
        from safetensors import SafetensorError

        folder = Path(folder)
        network = cls(read_config(folder))
        try:
            network.load_state_dict(load_weights(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ElqError(
                f"{folder} cannot be read ({' '.join(str(error).split())[:200]}): put whole copies of its files in their place,"
                " or train the model again"
            ) from None
        return network.eval()
