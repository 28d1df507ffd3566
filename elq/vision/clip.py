"""CLIP and SigLIP: towers for pictures whose vectors can be compared with those of texts, computed by transformers.

Source: CLIP (Radford et al., ICML 2021) and SigLIP (Zhai et al., ICCV 2023). A folder has the files of a repository of the Hub:
``config.json``, ``preprocessor_config.json`` and ``model.safetensors``. Its tower for texts is not read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from elq.errors import ElqError
from elq.files import digest_of, read_json_file
from elq.vision.preparing import Preparation, pixels_of
from elq.vision.tower import ImageTower, PictureVectors

if TYPE_CHECKING:
    from PIL.Image import Image

CLIP, SIGLIP = ("clip", "clip_vision_model"), ("siglip", "siglip_vision_model")
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
TOWER, PROJECTION = "vision_model.", "visual_projection.weight"  # names in the file of weights
USUAL = {  # what preprocessor_config.json says in most repositories, for a folder that lacks it
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), True),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), False),
}
NOT_WEIGHTS = "position_ids"  # older files have it beside the weights


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ElqError: the file is missing, or has no JSON object.
    """
    values = read_json_file(path, f"give a folder of CLIP or SigLIP with its {CONFIG}")
    if not isinstance(values, dict):
        raise ElqError(f"{path} has no JSON object: give a folder of CLIP or SigLIP with its {CONFIG}")
    return values


def preparation_of(said: Mapping[str, Any], side: int, family: str) -> Preparation:
    """How pictures are prepared, from the content of ``preprocessor_config.json``, which may be empty.

    >>> preparation_of({"size": {"shortest_edge": 256}, "do_center_crop": True}, 224, "clip").shorter
    256

    Raises:
        ElqError: a value has another form.
    """
    mean, deviation, crop = USUAL[family]
    try:
        red, green, blue = map(float, said.get("image_mean") or mean)
        three = _spread(*map(float, said.get("image_std") or deviation))
        size = said.get("size", side)
        shorter = int(size.get("shortest_edge", 0) if isinstance(size, Mapping) else size)
    except (TypeError, ValueError, AttributeError) as error:
        raise ElqError(f"{PREPROCESSOR} cannot be used ({error}): give the file of the model's repository") from None
    fit = "crop" if said.get("do_center_crop", crop) else "stretch"
    return Preparation(side, (red, green, blue), three, fit, shorter if fit == "crop" else 0)


def _spread(red: float, green: float, blue: float) -> tuple[float, float, float]:
    if not red * green * blue > 0:
        raise ValueError(f"image_std is {[red, green, blue]}, but must be more than 0")
    return red, green, blue


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of the tower for pictures, from all files of safetensors in the folder, as fp32.

    Raises:
        ElqError: there is no such file, or one cannot be read.
    """
    found = {}
    for file in weight_files(folder):
        try:
            with safe_open(file, "pt") as stream:
                names = [name for name in stream.keys() if name.startswith(TOWER) or name == PROJECTION]  # noqa: SIM118
                found.update({name: stream.get_tensor(name).float() for name in names if not name.endswith(NOT_WEIGHTS)})
        except Exception as error:  # safetensors has an exception of its own, which has no public name
            raise ElqError(f"{file} cannot be read ({error}): download it again") from None
    return found


def weight_files(folder: Path) -> list[Path]:
    """The files of safetensors in a folder.

    Raises:
        ElqError: there are none.
    """
    if files := sorted(folder.glob("*.safetensors")):
        return files
    raise ElqError(f"{folder} has no file model.safetensors (pickled weights are not read): give a folder that has one")


class ClipTower(ImageTower):
    """The tower for pictures of CLIP or SigLIP.

    CLIP: the vector of the whole picture is its projected [CLS] vector, as ``get_image_features`` gives it, and the patches are
    the vectors of the other tokens after the same layer norm and projection, so V is the width in which texts and pictures are
    compared. SigLIP: the vector of the whole is the pooled one, and the patches are the tokens after the last layer norm.

    Args:
        folder: the folder of the model.

    Raises:
        ElqError: the folder has another model, or a file is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        config = read_json(folder / CONFIG)
        kind = str(config.get("model_type"))
        if kind not in CLIP + SIGLIP:
            raise ElqError(
                f"{folder} has a model of the kind {kind!r}, but must have one of {', '.join(CLIP + SIGLIP)}: give such"
                " a folder"
            )
        family = "clip" if kind in CLIP else "siglip"
        values = config.get("vision_config") or {} if kind == family else config
        weights = read_weights(folder)
        self.projection = weights.pop(PROJECTION, None)  # (V, width of the tower); SigLIP has none
        self.network = _network(values, weights, family, folder)
        said = read_json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else {}
        setup = self.network.config
        self.preparation = preparation_of(said, setup.image_size, family)
        self.name = str(folder)
        self.identity = digest_of([folder / CONFIG, *weight_files(folder)], f"{self.preparation}")
        self.width = setup.hidden_size if self.projection is None else len(self.projection)
        self.patches = (setup.image_size // setup.patch_size) ** 2

    @torch.inference_mode()
    def encode(self, pictures: Sequence["Image"]) -> PictureVectors:
        """The vectors of B pictures."""
        if not pictures:
            return PictureVectors(torch.empty(0, self.width), torch.empty(0, self.patches, self.width))
        found = self.network(pixel_values=pixels_of(pictures, self.preparation))
        whole, tokens = found.pooler_output, found.last_hidden_state  # (B, D), (B, T, D)
        if self.projection is None:
            return PictureVectors(whole, tokens)
        norm = getattr(self.network, "vision_model", self.network).post_layernorm
        return PictureVectors(whole @ self.projection.T, norm(tokens[:, 1:]) @ self.projection.T)  # (B, V), (B, P, V)


def _network(values: Mapping[str, Any], weights: Mapping[str, Tensor], family: str, folder: Path) -> Any:
    """The tower with its weights."""
    from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

    try:
        network: nn.Module = (
            CLIPVisionModel(CLIPVisionConfig(**values)) if family == "clip" else SiglipVisionModel(SiglipVisionConfig(**values))
        )
        own = network.state_dict().keys()  # some versions of transformers have the prefix there, and some have not
        renamed = {name if name in own else name.removeprefix(TOWER): weight for name, weight in weights.items()}
        network.load_state_dict(renamed)
    except Exception as error:  # the configuration may have anything
        reason = " ".join(str(error).split())[:300]
        raise ElqError(f"{folder} cannot be loaded ({reason}): give the folder of a whole CLIP or SigLIP model") from None
    return network.eval().requires_grad_(False)
