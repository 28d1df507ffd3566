"""Pictures and towers that the tests share."""

import numpy as np
import pytest
import torch
from PIL import Image

from elq.vision import efficientnet
from elq.vision.clip import ClipTower
from elq.vision.efficientnet import EfficientNetTower
from elq.vision.layout import LayoutConfig, LayoutNetwork, LayoutTower
from elq.vision.tower import ImageTower

TEXT = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
PICTURE = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}


def noise(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    """A picture of random colours, in blocks, so that resizing leaves some of them."""
    drawn = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(drawn).resize((width, height), Image.Resampling.NEAREST)


def random_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of EfficientNet-Lite0 as its file has them, at random, with batch norms that change the values."""
    generator, found = np.random.default_rng(seed), {}
    channels, sizes = efficientnet.STEM, {}
    sizes["_conv_stem"] = (channels, 3, 3, 3)
    number = 0
    for count, kernel, _, expansion, wide in efficientnet.STAGES:
        for _ in range(count):
            inner, at = channels * expansion, f"_blocks.{number}"
            if expansion > 1:
                sizes[f"{at}._expand_conv"] = (inner, channels, 1, 1)
            sizes[f"{at}._depthwise_conv"] = (inner, 1, kernel, kernel)
            sizes[f"{at}._project_conv"] = (wide, inner, 1, 1)
            channels, number = wide, number + 1
    sizes["_conv_head"] = (efficientnet.HEAD, channels, 1, 1)
    norms = {step.convolution: step.norm for block in efficientnet.blocks() for step in block}
    for name, shape in sizes.items():
        found[f"{name}.weight"] = generator.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
        for part, low, high in (
            ("weight", 0.7, 1.3),
            ("bias", -0.2, 0.4),
            ("running_mean", -0.2, 0.2),
            ("running_var", 0.6, 1.5),
        ):
            found[f"{norms[name]}.{part}"] = generator.uniform(low, high, shape[0]).astype(np.float32)
    return found


@pytest.fixture(scope="session")
def clip_folders(tmp_path_factory):
    """The folders of a tiny random CLIP and of a tiny random SigLIP."""
    from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

    folder = tmp_path_factory.mktemp("towers")
    torch.manual_seed(0)
    clip = CLIPModel(
        CLIPConfig(text_config={**TEXT, "bos_token_id": 0, "eos_token_id": 1}, vision_config=PICTURE, projection_dim=12)
    )
    clip.save_pretrained(folder / "clip")
    siglip = SiglipConfig(
        text_config={**TEXT, "projection_size": 24, "bos_token_id": 0, "eos_token_id": 1}, vision_config=PICTURE
    )
    SiglipModel(siglip).save_pretrained(folder / "siglip")
    return {name: folder / name for name in ("clip", "siglip")}


@pytest.fixture(scope="session")
def towers(clip_folders) -> dict[str, ImageTower]:
    """A tower of every kind, with random weights."""
    torch.manual_seed(0)
    layout = LayoutNetwork(LayoutConfig(width=64, side=224), random_tensors())
    return {
        "efficientnet": EfficientNetTower(random_tensors()),
        "layout": LayoutTower(layout, "layout", "0" * 64),
        **{name: ClipTower(path) for name, path in clip_folders.items()},
    }
