"""The layout tower: its vectors against a slow computation, its start, its folder, and the border that is cut off."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from elq.errors import ElqError
from elq.files import write_json
from elq.model.network import save_weights
from elq.vision.efficientnet import EfficientNetTower, shapes
from elq.vision.layout import WHITENING, LayoutConfig, LayoutNetwork, LayoutTower, is_layout_tower
from elq.vision.opening import open_tower
from elq.vision.preparing import Preparation, squared, trimmed
from tests.vision.conftest import noise, random_tensors
from tests.vision.test_towers import slow_efficientnet

SMALL = LayoutConfig(width=10, side=64, grid=3, levels=[2, 7])


def made_network(config: LayoutConfig = SMALL, seed: int = 0) -> LayoutNetwork:
    torch.manual_seed(seed)
    return LayoutNetwork(config, random_tensors(seed)).eval()


def write_folder(folder, network: LayoutNetwork):
    folder.mkdir()
    write_json(folder / "config.json", asdict(network.config))
    save_weights(folder / "model.safetensors", {name: value.detach().numpy() for name, value in network.state_dict().items()})
    return folder


# --- the network


def slow_pooled(values: torch.Tensor, grid: int) -> list[float]:
    """The means of the cells of a grid of a map (C, H, W), as one list with norm 1."""
    channels, side, _ = values.shape
    edges = [(cell * side // grid, -(-(cell + 1) * side // grid)) for cell in range(grid)]
    means = [
        float(values[c, top:bottom, left:right].mean())
        for c in range(channels)
        for top, bottom in edges
        for left, right in edges
    ]
    norm = sum(value**2 for value in means) ** 0.5
    return [value / norm for value in means]


def test_the_vectors_are_those_of_a_slow_computation():
    network, pixels = made_network(), torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, maps = network(pixels), [*network.body.maps(pixels)]
        torch.testing.assert_close(maps[-1], slow_efficientnet(random_tensors(0), pixels), atol=1e-3, rtol=1e-3)
        for number in range(2):
            features = torch.tensor([value for level in (2, 7) for value in slow_pooled(maps[level][number], 3)])
            cells = maps[-1][number]  # (1280, 2, 2)
            patches = [network.cells.weight @ cells[:, row, column] for row in range(2) for column in range(2)]
            whole = network.layout.weight @ features + network.layout.bias + sum(patches) / 4
            torch.testing.assert_close(found.whole[number], whole, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(found.patches[number], torch.stack(patches), atol=1e-4, rtol=1e-4)
    assert (found.whole[0] - found.whole[1]).abs().max() > 1e-3


@pytest.mark.parametrize("change", [{"levels": [7, 2]}, {"levels": [2, 8]}, {"grid": 2}, {"width": 9}, {"side": 96}])
def test_each_setting_changes_the_vectors(change):
    other = LayoutConfig(**{**asdict(SMALL), **change})
    pictures = [noise(0), noise(1)]
    one, two = (LayoutTower(made_network(config)).encode(pictures).whole for config in (SMALL, other))
    assert one.shape != two.shape or not torch.allclose(one, two, atol=1e-4)


def test_the_start_is_partial_whitening():
    """The inner products of the vectors are those of the features divided by a power of the deviations of their directions."""
    network, generator = made_network(LayoutConfig(width=6, side=64, grid=1, levels=[0])), torch.Generator().manual_seed(2)
    features = torch.randn(40, 32, generator=generator) @ torch.randn(32, 32, generator=generator)
    cells = torch.rand(40, 1280, generator=generator)
    network.start(features, cells)
    x = features.double().numpy()
    x = x - x.mean(0)
    sizes, directions = np.linalg.eigh(x.T @ x / 39)
    sizes, directions = sizes[::-1][:6], directions[:, ::-1][:, :6]
    expected = x @ directions @ np.diag(sizes**-WHITENING) @ directions.T @ x.T
    with torch.no_grad():
        found, means = network.layout(features).double(), network.cells(cells)
    products = (found @ found.T).numpy()
    np.testing.assert_allclose(products / np.trace(products), expected / np.trace(expected), atol=1e-5)
    assert float(found.norm(dim=-1).mean()) == pytest.approx(6**0.5, rel=1e-3)
    assert 0.1 < float(means.norm(dim=-1).mean()) / 6**0.5 < 0.6  # the patches have a share of it


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0])
def test_whitened_vectors_are_those_of_a_slow_computation(power):
    network, pixels = made_network(), torch.randn(40, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    network.layout.bias.data += 3
    with torch.no_grad():
        network.cells.weight *= 9
        before = network(pixels)
        network.whiten(before.whole[:30], power)
        after = network(pixels)
    x = before.whole.double().numpy()
    mean = x[:30].mean(0)
    _, sizes, directions = np.linalg.svd(x[:30] - mean)
    deviations = np.maximum(sizes / 29**0.5, 0.01 * sizes[0] / 29**0.5)
    found, coordinates = after.whole.double().numpy(), (x - mean) @ directions.T
    expected = np.array([[row[k] / deviations[k] ** power for k in range(10)] for row in coordinates]) @ directions
    expected *= (((x[:30] - mean) ** 2).sum() / (expected[:30] ** 2).sum()) ** 0.5
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    assert np.abs(found - x).max() > 0.1
    patches = before.patches.double().numpy() @ directions.T / deviations**power @ directions
    scale = np.linalg.norm(after.patches.double().numpy()) / np.linalg.norm(patches)
    np.testing.assert_allclose(after.patches, scale * patches, atol=1e-3 * scale * np.abs(patches).max())
    if power == 1:
        spread = np.cov(found[:30].T)
        np.testing.assert_allclose(spread, np.trace(spread) / 10 * np.eye(10), atol=1e-2 * np.trace(spread))


def test_few_or_equal_pictures_can_be_whitened():
    network, pixels = made_network(), torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        for count in (3, 1):
            network.whiten(network(pixels[:count]).whole, 0.5)
            assert network(pixels).whole.isfinite().all()


def test_the_start_fills_the_directions_that_few_pictures_lack():
    network = made_network()
    features = torch.rand(4, SMALL.features, generator=torch.Generator().manual_seed(3))
    network.start(features, torch.rand(4, 1280))
    with torch.no_grad():
        found = network.layout(features)
    assert network.layout.weight.norm(dim=-1).min() > 0
    assert torch.linalg.matrix_rank(found - found.mean(0)) == 3
    again = made_network()
    again.start(features, torch.rand(4, 1280), seed=1)
    assert not torch.equal(again.layout.weight, network.layout.weight)


def test_the_shapes_are_those_of_the_file():
    tensors = random_tensors()
    folded = [tuple(value.shape) for name, value in tensors.items() if value.ndim == 4]
    assert sorted(folded) == sorted(shapes())


# --- the folder


def test_a_folder_opens_with_the_same_vectors(tmp_path):
    network = made_network()
    folder = write_folder(tmp_path / "tower", network)
    tower = open_tower(folder)
    pictures = [noise(0), noise(1, 20, 90)]
    expected = LayoutTower(network).encode(pictures)
    found = tower.encode(pictures)
    assert torch.equal(found.whole, expected.whole)
    assert torch.equal(found.patches, expected.patches)
    assert (tower.name, tower.width, tower.patches) == (str(folder), 10, 4)
    other = open_tower(write_folder(tmp_path / "other", made_network(seed=1)))
    assert other.identity != tower.identity == open_tower(folder).identity


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", {"format": 2}, "is not the configuration of a layout tower of format 1: put a whole copy"),
        ("config.json", {"colour": 1}, "is not the configuration of a layout tower"),
        ("config.json", {"side": 65}, "side is 65, but must be a multiple of 32: set it to 128"),
        ("config.json", {"side": 32.0}, "side is 32.0, but must be a whole number from 32 to 1024"),
        ("config.json", {"levels": [17]}, r"levels is \[17\], but must be a list of whole numbers from 0 to 16"),
        ("config.json", {"levels": 3}, "levels is 3, but must be a list"),
        (
            "config.json",
            {"width": 11},
            "cannot be read .*: put whole copies of its files in their place, or train the tower again",
        ),
        ("model.safetensors", None, "cannot be read .*: put whole copies of its files in their place"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(file, content, said, tmp_path):
    folder = write_folder(tmp_path / "tower", made_network())
    if content is None:
        (folder / file).write_bytes(b"half")
    else:
        write_json(folder / file, {**json.loads((folder / file).read_text()), **content})
    with pytest.raises(ElqError, match=said):
        open_tower(folder)


def test_a_folder_without_its_weights_is_refused(tmp_path):
    folder = write_folder(tmp_path / "tower", made_network())
    (folder / "model.safetensors").unlink()
    with pytest.raises(ElqError, match="cannot be read .*model.safetensors"):
        open_tower(folder)
    assert is_layout_tower(folder)
    assert not is_layout_tower(tmp_path)


def test_the_identity_of_the_original_tower_has_not_changed():
    """Stored vectors of pictures are found by it."""
    assert EfficientNetTower.identity == "d10e3720c336d65c4802831e1d96d4ee2cdc3c963435c41125bf946296785a3e"


# --- the border


def slow_trimmed(pixels: np.ndarray, tolerance: int) -> np.ndarray:
    """The rectangle of all pixels that differ from the upper left one."""
    height, width = pixels.shape[:2]

    def differs(row: int, column: int) -> bool:
        return any(abs(int(pixels[row, column, c]) - int(pixels[0, 0, c])) > tolerance for c in range(3))

    if any(differs(row, column) for row in (0, height - 1) for column in (0, width - 1)):
        return pixels
    places = [(row, column) for row in range(height) for column in range(width) if differs(row, column)]
    if not places:
        return pixels
    rows, columns = zip(*places, strict=True)
    cut = pixels[min(rows) : max(rows) + 1, min(columns) : max(columns) + 1]
    return pixels if min(cut.shape[:2]) < 8 else cut


def test_the_border_is_cut_off_as_a_slow_computation_does():
    generator, cut = np.random.default_rng(4), 0
    for number in range(40):
        height, width = generator.integers(12, 40, 2)
        spread = generator.integers(-9, 10, (height, width, 3)) * (number % 2)
        pixels = np.clip(generator.integers(0, 256, 3) + spread, 0, 255)
        top, left = generator.integers(0, height - 9), generator.integers(0, width - 9)
        bottom, right = generator.integers(top + 6, height + 1), generator.integers(left + 6, width + 1)
        pixels[top:bottom, left:right] = generator.integers(0, 256, (bottom - top, right - left, 3))
        picture = Image.fromarray(pixels.astype(np.uint8))
        tolerance = int(generator.choice([0, 10, 24]))
        expected = slow_trimmed(np.asarray(picture), tolerance)
        assert np.array_equal(np.asarray(trimmed(picture, tolerance)), expected)
        cut += expected.shape != pixels.shape
    assert 5 < cut < 40


def test_a_picture_of_one_colour_or_with_another_corner_keeps_its_border():
    plain = Image.new("RGB", (30, 20), (9, 9, 9))
    assert trimmed(plain) is plain
    corner = Image.new("RGB", (30, 20), "white")
    corner.paste((0, 0, 0), (10, 5, 20, 15))
    assert trimmed(corner).size == (10, 10)
    corner.putpixel((29, 19), (0, 0, 0))
    assert trimmed(corner) is corner


def test_a_picture_without_its_border_fills_the_square():
    picture = Image.new("RGB", (60, 40), "white")
    picture.paste((10, 200, 30), (20, 5, 40, 35))
    found = np.asarray(squared(picture, Preparation(32, (0,) * 3, (1,) * 3, "trim")))
    assert found.shape == (32, 32, 3)
    assert (found == (10, 200, 30)).all()
