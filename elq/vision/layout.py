"""The layout tower: a fine-tuned EfficientNet-Lite0 whose vectors say which colours and shapes are at which place of a picture.

It finds the picture of the same thing in another rendering, such as a flag that is drawn in another way. The vector of the
whole picture is the sum of two parts: a linear function of the feature maps of some blocks, each pooled to a grid of cells, and
the mean of the patches, which are linear functions of the cells of the last map. A border of one colour is cut off first.

A folder of it is made by ``elq train experiment=image_tower`` (elq/multimodal/tower), and has ``config.json``
(:class:`LayoutConfig`) and ``model.safetensors``.

Source: descriptors over a grid of cells (spatial pyramids, Lazebnik et al., CVPR 2006), of several layers (hypercolumns,
Hariharan et al., CVPR 2015), with a projection that begins as partial whitening and is then learned with the network
(Radenović et al., TPAMI 2019). The vectors of the trained network may be partially whitened once more (Jégou and
Chum, ECCV 2012).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

from elq.errors import ElqError
from elq.files import digest_of, read_json_file
from elq.tensors import Array
from elq.vision.efficientnet import HEAD, STAGES, STEM, EfficientNetLite0
from elq.vision.efficientnet import PREPARATION as ORIGINAL
from elq.vision.preparing import Preparation, pixels_of
from elq.vision.tower import ImageTower, PictureVectors

if TYPE_CHECKING:
    from PIL.Image import Image

CONFIG, WEIGHTS = "config.json", "model.safetensors"
KIND, FORMAT = "layout_tower", 1
STRIDE = 32  # pixels of a cell of the last map
CHANNELS = (STEM, *(wide for count, *_, wide in STAGES for _ in range(count)))  # of the map after each block but the last one
WHITENING = 0.5  # the power of the standard deviation by which a direction is divided at the start: 0 is none, 1 is whitening
LEAST_DEVIATION = 0.01  # of the largest one: a direction of the vectors with a smaller deviation is divided by this one
SHARE = 0.3  # of the patches in the vector of the whole picture at the start


@dataclass(frozen=True, kw_only=True)
class LayoutConfig:
    """Everything from which a layout tower is built before its weights are loaded.

    Args:
        width: V, the width of the vectors.
        side: the side of the square of pixels, a multiple of 32. P is (side / 32)².
        grid: the number of cells of a pooled map in each direction.
        levels: the numbers of the blocks whose maps are pooled, from 0 to 16. The first ones keep colours, later ones shapes.
        kind: what the folder is.
        format: number of this file format.

    Raises:
        ElqError: a value is not allowed.
    """

    width: int = 512
    side: int = 128
    grid: int = 4
    levels: Sequence[int] = (3, 8, 11)
    kind: str = KIND
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name, least, most in (("width", 1, 4096), ("side", STRIDE, 1024), ("grid", 1, 16)):
            if type(value := getattr(self, name)) is not int or not least <= value <= most:
                raise ElqError(f"{name} is {value!r}, but must be a whole number from {least} to {most}: correct it")
        if self.side % STRIDE:
            raise ElqError(f"side is {self.side}, but must be a multiple of {STRIDE}: set it to 128, the default")
        last = len(CHANNELS) - 1
        levels = self.levels if isinstance(self.levels, list | tuple) else ()
        if not levels or not all(type(level) is int and 0 <= level <= last for level in levels):
            raise ElqError(f"levels is {self.levels!r}, but must be a list of whole numbers from 0 to {last}: correct it")
        object.__setattr__(self, "levels", (*levels,))

    @property
    def features(self) -> int:
        """F, the number of features of the pooled maps together."""
        return self.grid**2 * sum(CHANNELS[level] for level in self.levels)

    @property
    def preparation(self) -> Preparation:
        """How pictures are prepared."""
        return Preparation(self.side, ORIGINAL.mean, ORIGINAL.deviation, "trim")


def read_layout_config(folder: str | Path) -> LayoutConfig:
    """Read ``config.json`` of a layout tower.

    Raises:
        ElqError: the file is missing, is not that of a layout tower, or has a value that is not allowed.
    """
    path = Path(folder) / CONFIG
    values = read_json_file(path, "give the folder of a layout tower")
    known = {each.name for each in fields(LayoutConfig)}
    if not isinstance(values, dict) or values.get("kind") != KIND or values.get("format") != FORMAT or values.keys() ^ known:
        raise ElqError(
            f"{path} is not the configuration of a layout tower of format {FORMAT}: put a whole copy of the file in its place,"
            " or install the version of elq that wrote it"
        )
    return LayoutConfig(**values)


def is_layout_tower(folder: Path) -> bool:
    """Whether a folder says that it is one of a layout tower."""
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("kind") == KIND


class LayoutNetwork(nn.Module):
    """The network of a layout tower: pixels (B, 3, side, side) → :class:`PictureVectors`.

    Args:
        config: the configuration.
        tensors: the weights of EfficientNet-Lite0, as its file has them; None: all are 0, until others are loaded.
    """

    def __init__(self, config: LayoutConfig, tensors: Mapping[str, Array] | None = None) -> None:
        super().__init__()
        self.config = config
        self.body = EfficientNetLite0(tensors)
        self.layout = nn.Linear(config.features, config.width)  # F -> V
        self.cells = nn.Linear(HEAD, config.width, bias=False)  # 1280 -> V

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The features (B, F) of the pooled maps, of norm 1 for each level, and the cells (B, P, 1280) of the last map."""
        pooled = {}
        for place, values in enumerate(self.body.maps(pixels)):
            if place in self.config.levels:
                pooled[place] = normalize(adaptive_avg_pool2d(values, self.config.grid).flatten(1), dim=-1)  # (B, C · grid²)
        return torch.cat([pooled[level] for level in self.config.levels], -1), values.flatten(2).transpose(1, 2)

    def forward(self, pixels: Tensor) -> PictureVectors:
        """The vectors of B pictures."""
        features, cells = self.maps(pixels)
        patches: Tensor = self.cells(cells)  # (B, P, V)
        return PictureVectors(self.layout(features) + patches.mean(1), patches)

    @torch.no_grad()
    def start(self, features: Tensor, cells: Tensor, seed: int = 0) -> None:
        """Let the linear functions begin as partial whitening, as it is for some pictures.

        Args:
            features: (n, F) of pictures, as :meth:`maps` gives them.
            cells: (n, 1280) the means of the cells of the same pictures.
            seed: of what is drawn: the directions that n pictures do not have, and the function of the cells.
        """
        drawn, width = torch.Generator().manual_seed(seed), self.config.width
        mean = features.mean(0)  # (F,)
        _, sizes, directions = torch.linalg.svd(features - mean, full_matrices=False)  # (r,), (r, F)
        deviations = (sizes[:width] / max(len(features) - 1, 1) ** 0.5).clamp_min(1e-4)
        rows = directions[:width] / deviations.unsqueeze(-1) ** WHITENING  # (r, F)
        spare = torch.randn(width - len(rows), features.shape[-1], generator=drawn) * rows.norm() / max(len(rows), 1) ** 0.5
        rows = torch.cat([rows, 0.1 * spare / features.shape[-1] ** 0.5])  # (V, F)
        found = (features - mean) @ rows.T  # (n, V)
        factor = width**0.5 / found.norm(dim=-1).mean().clamp_min(1e-6)  # each number of a vector is about 1
        self.layout.weight.copy_(factor * rows)
        self.layout.bias.copy_(-factor * rows @ mean)
        self.cells.weight.normal_(0, SHARE / float(cells.norm(dim=-1).mean().clamp_min(1e-6)), generator=drawn)

    @torch.no_grad()
    def whiten(self, vectors: Tensor, power: float) -> None:
        """Change the two linear functions so that the vectors of pictures are centred and partially whitened.

        What differs much between most pictures then counts less in a cosine, and small differences count more. The mean of
        the squared norms of the given vectors, less their mean, does not change.

        Args:
            vectors: (n, V) the vectors of whole pictures, as this network makes them.
            power: of the standard deviation by which a direction is divided: 0 only centres, 1 is whitening.
        """
        mean = vectors.double().mean(0)  # (V,)
        centred = vectors.double() - mean  # (n, V)
        squares, directions = torch.linalg.eigh(centred.T @ centred / max(len(vectors) - 1, 1))  # (V,), (V, V)
        deviations = squares.clamp_min(0).sqrt()
        factors = deviations.clamp_min(max(LEAST_DEVIATION * float(deviations.max()), 1e-12)) ** -power  # (V,)
        factors *= (squares.sum() / (squares * factors**2).sum().clamp_min(1e-12)).sqrt()
        turn = (directions * factors) @ directions.T  # (V, V)
        bias = turn @ (self.layout.bias.double() - mean)
        self.layout.bias.copy_(bias)
        for function in (self.layout, self.cells):
            function.weight.copy_(turn @ function.weight.double())


class LayoutTower(ImageTower):
    """A layout tower.

    Args:
        network: the network.
        name: the folder.
        identity: the sha256 sum of its files.
    """

    def __init__(self, network: LayoutNetwork, name: str = "", identity: str = "") -> None:
        self.network, self.name, self.identity = network.eval(), name, identity
        self.width, self.patches = network.config.width, (network.config.side // STRIDE) ** 2

    @classmethod
    def open(cls, folder: str | Path) -> "LayoutTower":
        """Open the folder of a layout tower.

        Raises:
            ElqError: a file is missing or damaged.
        """
        folder = Path(folder)
        network = LayoutNetwork(read_layout_config(folder))
        try:
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ElqError(
                f"{folder} cannot be read ({' '.join(str(error).split())[:200]}): put whole copies of its files in their place,"
                " or train the tower again"
            ) from None
        network.requires_grad_(False)
        return cls(network, str(folder), digest_of([folder / CONFIG, folder / WEIGHTS]))

    @torch.inference_mode()
    def encode(self, pictures: Sequence["Image"]) -> PictureVectors:
        """The vectors of B pictures."""
        if not pictures:
            return PictureVectors(torch.empty(0, self.width), torch.empty(0, self.patches, self.width))
        found: PictureVectors = self.network(pixels_of(pictures, self.network.config.preparation))
        return found
