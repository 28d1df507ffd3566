"""Training of an image tower: its pairs, batches, changed copies and loss, a whole run, and one that is killed and goes on."""

import copy
import json
import random
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from elq.commands.train import fit
from elq.entities.build import BuildSettings, build_entities
from elq.entities.image_build import build_images
from elq.errors import ElqError
from elq.multimodal.disambiguator import MultimodalDisambiguator
from elq.multimodal.examples import PicturedMention
from elq.multimodal.tower.augmenting import CHANGES, augmented, one_colour
from elq.multimodal.tower.batches import PairCollator, SimilarBatches, nearest
from elq.multimodal.tower.module import TowerModule, pair_loss
from elq.multimodal.tower.pairs import PicturedEntity, clear_pictures, read_material
from elq.multimodal.tower.parser import TowerCLI
from elq.multimodal.tower.settings import TowerTraining
from elq.vision.encoding import View, open_view
from elq.vision.opening import open_tower
from elq.vision.preparing import pixels_of
from tests.disambiguation.tiny import Break
from tests.multimodal import pictured
from tests.vision.conftest import noise


@pytest.fixture(scope="module")
def tower_values(pictured_folder) -> dict:
    """Plain values of a tiny training of an image tower."""
    files = {name: str(pictured_folder / f"{name}.jsonl") for name in ("train", "train_boxes", "dev", "dev_boxes")}
    return {
        "task": "image_tower",
        "seed_everything": 3,
        "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 2, "log_every_n_steps": 1, "gradient_clip_val": 1.0},
        "model": {"side": 64, "width": 16, "warmup_steps": 2, "moving_mean": 0.5},
        "data": {
            "catalogue": str(pictured_folder / "catalogue.jsonl"),
            "train": [files["train"], files["train_boxes"]],
            "dev": [files["dev"], files["dev_boxes"]],
            "batch_size": 4,
            "group": 2,
            "dev_most": 8,
        },
    }


@pytest.fixture
def values(tower_values) -> dict:
    return copy.deepcopy(tower_values)


@pytest.fixture(scope="module")
def tower_run(tower_values, tmp_path_factory):
    """The run folder of that training."""
    folder = tmp_path_factory.mktemp("tower_runs") / "run"
    folder.mkdir()
    fit(copy.deepcopy(tower_values), folder)
    return folder


# --- pairs


def shown(row: int, image: str | None, document: int, box=None) -> PicturedMention:
    return PicturedMention("a b", 0, 1, row, image, box, document=document)


def test_a_picture_counts_if_it_can_only_show_one_entity():
    found = clear_pictures(
        [
            shown(1, "a.png", 0),
            shown(1, "a.png", 1),  # the same picture again
            shown(1, "b.png", 2),
            shown(1, "c.png", 3),
            shown(2, "c.png", 3),  # two entities: nothing says which one the picture shows
            shown(3, None, 4),
            shown(4, "d.png", 5, (0, 0, 5, 5)),
            shown(4, "d.png", 6, (5, 0, 9, 5)),
        ]
    )
    boxes = [(0, 0, 5, 5), (5, 0, 9, 5)]
    assert found == [(1, View("a.png")), (1, View("b.png")), *((4, View("d.png", box)) for box in boxes)]


def test_a_pair_has_a_picture_of_the_catalogue_and_one_of_a_question():
    own, asked = (View("a"), View("b")), (View("c"), View("d"))
    both = {PicturedEntity(0, own, asked).pair(random.Random(seed)) for seed in range(30)}
    assert both == {(one, other) for one in own for other in asked}
    for entity in (PicturedEntity(0, own), PicturedEntity(0, (), own)):
        assert {entity.pair(random.Random(seed)) for seed in range(20)} == {own, own[::-1]}
    assert not PicturedEntity(0, own[:1]).paired
    assert not PicturedEntity(0, (), asked[:1]).paired
    assert PicturedEntity(0, own[:1], asked[:1]).paired


def test_only_entities_of_training_questions_are_trained_on(pictured_folder, tmp_path):
    for path in pictured_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    lines = (pictured_folder / "train.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    of_two = [one for one in records if one["mentions"][0]["entity"] in ("Q10", "Q21")]
    broken = {**of_two[0], "id": "broken", "image": "broken.png"}
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(one) + "\n" for one in [*of_two, broken]))
    material = read_material(str(tmp_path / "catalogue.jsonl"), [str(tmp_path / "few.jsonl")], [str(tmp_path / "dev.jsonl")])
    rows = {entity[0]: row for row, entity in enumerate(pictured.entities())}
    assert {one.row for one in material.train} == {rows["Q10"], rows["Q21"]}
    assert material.catalogue.keys() == {*rows.values()}  # the last entity of the catalogue has no picture
    assert [len(material.catalogue[rows[one]]) for one in ("Q10", "Q11")] == [2, 1]
    images = {str(view.source) for one in material.train for view in one.shown}
    assert images == {str(tmp_path / one["image"]) for one in of_two}
    assert len(material.dev[str(tmp_path / "dev.jsonl")]) == 24


# --- batches


def test_the_nearest_are_those_of_a_sorted_list():
    vectors = torch.randn(1_100, 5, generator=torch.Generator().manual_seed(0))
    unit = normalize(vectors, dim=-1)
    found = nearest(vectors, 3)
    for number in (0, 3, 1_050, 1_099):
        cosines = (unit @ unit[number]).tolist()
        order = sorted((other for other in range(1_100) if other != number), key=lambda other: -cosines[other])
        assert found[number] == order[:3]
    assert [len(one) for one in nearest(vectors[:3], 9)] == [2, 2, 2]


def batches_of(near, size=4, group=2, **more):
    return SimilarBatches(near, size, group, **{"seed": 0, "epoch": 0, **more})


def test_batches_have_each_entity_once_beside_a_similar_one():
    near = [[number ^ 1] for number in range(20)]  # 0 and 1 are alike, 2 and 3, …
    batches = [*batches_of(near)]
    assert sorted(number for batch in batches for number in batch) == [*range(20)]
    assert all(number ^ 1 in batch for batch in batches for number in batch)
    assert [*batches_of(near)] == batches != [*batches_of(near, epoch=1)]
    assert [*batches_of(near, seed=1)] != batches
    alone = [*batches_of(near, group=1)]
    assert not all(number ^ 1 in batch for batch in alone for number in batch)
    assert len(batches) == len(batches_of(near)) == 5


def test_an_epoch_has_at_most_as_many_entities_as_wished_and_processes_share_batches():
    near = [[(number + 1) % 21] for number in range(21)]
    batches = [*batches_of(near, most=10)]
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert len(batches_of(near, most=10)) == 3
    shares = [[*batches_of(near, size=2, rank=rank, world=2)] for rank in (0, 1)]
    whole = [*batches_of(near)]
    assert [sorted([*one, *two]) for one, two in zip(*shares, strict=True)] == [sorted(batch) for batch in whole]


def test_a_batch_has_the_pixels_of_both_pictures_and_depends_on_the_seed_alone(pictured_folder):
    views = [View(pictured_folder / f"{name}.png") for name in ("Q10", "Q11", "Q20")]
    entities = [PicturedEntity(7, (views[0],), (views[1],)), PicturedEntity(9, (views[2],), (views[1],))]
    preparation = TowerTraining(side=64).network.preparation
    batch = PairCollator(entities, preparation, seed=1)([1, 0])
    assert batch.rows.tolist() == [9, 7]
    assert batch.left.shape == batch.right.shape == (2, 3, 64, 64)
    again, other = (PairCollator(entities, preparation, seed=seed)([1, 0]) for seed in (1, 2))
    assert torch.equal(batch.left, again.left)
    assert torch.equal(batch.right, again.right)
    assert not torch.equal(batch.right, other.right)
    plain = pixels_of([open_view(views[2])], preparation)
    seen = [torch.equal(PairCollator(entities, preparation, seed=seed)([1]).left, plain) for seed in range(30)]
    assert 5 < sum(seen) < 25  # pictures of the catalogue are sometimes taken as they are
    moved = batch.to("cpu")
    assert torch.equal(moved.rows, batch.rows)


# --- changed copies


@pytest.mark.parametrize("change", [change for change, _ in CHANGES], ids=lambda change: change.__name__)
def test_each_change_changes_a_picture_and_repeats_itself(change):
    picture = noise(5, 120, 90)
    before = picture.tobytes()
    made, again = (change(picture, random.Random(2)) for _ in range(2))
    assert picture.tobytes() == before
    assert made.mode == "RGB"
    assert min(made.size) >= 1
    assert (made.size, made.tobytes()) != (picture.size, before)
    assert (made.size, made.tobytes()) == (again.size, again.tobytes())


def test_copies_depend_on_the_seed_alone_and_differ():
    picture = noise(6, 400, 300)
    copies = [augmented(picture, random.Random(seed)) for seed in range(12)]
    assert all(max(one.size) <= 288 * 1.7 for one in copies)
    assert len({one.tobytes() for one in copies}) > 9
    assert copies[3].tobytes() == augmented(picture, random.Random(3)).tobytes()
    assert augmented(Image.new("RGB", (1, 1)), random.Random(0)).mode == "RGB"


def test_one_colour_keeps_the_shape():
    picture = Image.new("RGB", (20, 10), "white")
    picture.paste((200, 30, 90), (5, 2, 15, 8))
    picture.paste((30, 200, 10), (8, 4, 10, 6))
    found = np.asarray(one_colour(picture, random.Random(0))).reshape(-1, 3)
    assert len({tuple(pixel) for pixel in found}) == 2
    inside = (found.reshape(10, 20, 3) != 255).any(-1)
    assert inside.sum() == inside[2:8, 5:15].sum() == 60


# --- the loss


def test_the_loss_is_that_of_a_slow_computation():
    generator = torch.Generator().manual_seed(1)
    left, right = (normalize(torch.randn(5, 7, generator=generator), dim=-1) for _ in range(2))
    rows = torch.tensor([3, 4, 3, 8, 9])  # the first and the third are the same entity
    slow = 0.0
    for one, other in ((left, right), (right, left)):
        for i in range(5):
            scores = {j: float(one[i] @ other[j]) / 0.1 for j in range(5) if j == i or rows[j] != rows[i]}
            slow -= scores[i] - float(torch.tensor([*scores.values()]).logsumexp(0))
    assert float(pair_loss(left, right, rows, 0.1)) == pytest.approx(slow / 10, rel=1e-5)
    assert pair_loss(left, right, rows, 0.1) != pair_loss(left, right, torch.arange(5), 0.1)


# --- a whole run


def test_a_run_makes_a_folder_that_opens_as_a_tower(tower_run, pictured_folder):
    metrics = json.loads((tower_run / "metrics.json").read_text())["model"]
    assert metrics.keys() == {"accuracy", "dev", "dev_boxes"}
    assert metrics["accuracy"] == pytest.approx((metrics["dev"] + metrics["dev_boxes"]) / 2)
    tower = open_tower(tower_run / "model")
    material = read_material(str(pictured_folder / "catalogue.jsonl"), [], [str(pictured_folder / "dev.jsonl")])
    own = [(row, view) for row, views in material.catalogue.items() for view in views]
    table = tower.encode([open_view(view) for _, view in own]).whole
    right = 0
    [asked] = material.dev.values()
    for row, view in asked:
        cosines = normalize(tower.encode([open_view(view)]).whole, dim=-1) @ normalize(table, dim=-1).T
        right += own[int(cosines.argmax())][0] == row
    assert right / len(asked) == pytest.approx(metrics["dev"])
    assert (tower_run / "model" / "training.yaml").is_file()


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(values, tower_run, tmp_path):
    values["trainer"]["default_root_dir"] = str(tmp_path)
    cli = TowerCLI(copy.deepcopy({k: v for k, v in values.items() if k != "task"}), run=False)
    cli.trainer.callbacks.append(Break(1))
    with pytest.raises(RuntimeError, match="broken"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert not (tmp_path / "model").exists()
    fit({**values, "ckpt_path": str(tmp_path / "checkpoints" / "last.ckpt")}, tmp_path)
    whole, again = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (tower_run, tmp_path)
    )
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name
    files = [(folder / "model" / "model.safetensors").read_bytes() for folder in (tower_run, tmp_path)]
    assert files[0] == files[1]


SETTINGS = {
    **{"frozen": 18, "temperature": 0.5, "lr": 1e-2, "lr_projections": 1e-2},
    **{"weight_decay": 0.9, "warmup_steps": 9, "moving_mean": 0.0},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_changes_the_weights(name, values, tower_run, tmp_path):
    values["model"][name] = SETTINGS[name]
    fit(values, tmp_path)
    one, other = (open_tower(folder / "model").network.state_dict() for folder in (tower_run, tmp_path))
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def test_the_first_blocks_keep_their_weights(tower_run):
    original, trained = TowerModule(side=64, width=16).network, open_tower(tower_run / "model").network
    first = 2 * sum(len(block) for block in original.body.blocks[:6])
    same = [torch.equal(one, other) for one, other in zip(original.body.weights, trained.body.weights, strict=True)]
    assert all(same[:first])
    assert not any(same[first::2])


def test_the_trained_vectors_are_whitened(values, tower_run, pictured_folder, tmp_path):
    """The same training with ``whitening`` ends with the vectors of the other one, centred and divided."""
    values["model"]["whitening"] = 0.4
    fit(values, tmp_path)
    material = read_material(str(pictured_folder / "catalogue.jsonl"), values["data"]["train"], [])
    views = [one.own[0] for one in material.train]
    assert len(views) == 8
    plain, white = (
        open_tower(folder / "model").encode([open_view(view) for view in views]).whole.double().numpy()
        for folder in (tower_run, tmp_path)
    )
    centred = plain - plain.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    kept = sizes > 0.01 * sizes[0]
    expected = centred @ directions[kept].T / sizes[kept] ** 0.4 @ directions[kept]
    expected *= np.linalg.norm(centred) / np.linalg.norm(expected)
    np.testing.assert_allclose(white, expected, atol=1e-2 * np.abs(expected).max())
    assert np.abs(white - centred).max() > 0.05 * np.abs(centred).max()
    best = [(folder / "checkpoints" / "best.ckpt") for folder in (tower_run, tmp_path)]
    one, other = (torch.load(path, weights_only=True)["state_dict"] for path in best)
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_folder_is_the_tower_of_a_build(tower_run, pictured_folder, encoder_folder, tmp_path):
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", dtype="float32")
    build_entities(pictured_folder / "catalogue.jsonl", tmp_path / "entities", settings)
    built = build_images(tmp_path / "entities", pictured_folder, tower_run / "model", store=tmp_path / "store")
    assert (built.facts.tower, built.facts.width, built.facts.patches) == (str(tower_run / "model"), 16, 4)
    assert built.facts.pictures == 12


def test_a_model_with_pictures_has_the_tower_with_which_it_was_trained(tower_run, pictured_values, pictured_folder, tmp_path):
    shutil.copytree(tower_run / "model", tmp_path / "tower")
    wanted = copy.deepcopy(pictured_values)
    wanted["model"] |= {"tower": str(tmp_path / "tower")}
    wanted["data"]["entities"] = str(tmp_path / "entities")
    wanted["trainer"]["max_epochs"] = 1
    (tmp_path / "run").mkdir()
    fit(wanted, tmp_path / "run")
    shutil.rmtree(tmp_path / "tower")
    model = MultimodalDisambiguator.from_pretrained(tmp_path / "run" / "model")
    assert model.tower.width == model.network.config.picture == 16
    picture = str(pictured_folder / "Q10.png")
    [link] = model.link("where is paris", [(9, 14)], image=picture)
    assert link.entity in ("Q10", "Q11")


def test_wrong_values_are_refused_in_one_sentence(values, tmp_path):
    (tmp_path / "empty.jsonl").write_text('{"text": "nobody"}\n')
    for part, change, words in (
        ("data", {"batch_size": 1}, "data.batch_size is 1, but must be at least 2"),
        ("data", {"group": 0}, "data.group is 0, but must be at least 1"),
        ("data", {"most": 1}, "data.most is 1, but must be at least 2"),
        ("data", {"dev_most": 0}, "data.dev_most is 0"),
        ("data", {"dev_among": 0}, "data.dev_among is 0"),
        ("data", {"train": []}, "data.train is empty: give at least one file"),
        ("data", {"dev": [str(tmp_path / "none.jsonl")]}, "data files are missing: .*none.jsonl"),
        ("data", {"batch_size": 9}, "8 entities of the training questions have two pictures or more, but a batch has 9"),
        ("data", {"dev": [str(tmp_path / "empty.jsonl")]}, "no entity of the questions in .*empty.jsonl has a picture"),
        ("data", {"colour": 1}, "data.colour is not a setting"),
        ("model", {"lr": 0.0}, "model.lr is 0.0, but must be above 0 and below 1"),
        ("model", {"temperature": 1.0}, "model.temperature is 1.0"),
        ("model", {"moving_mean": 1.0}, "model.moving_mean is 1.0"),
        ("model", {"whitening": 1.5}, "model.whitening is 1.5, but must be from 0 to 1: set it to null"),
        ("model", {"frozen": 19}, "model.frozen is 19, but must be a whole number from 0 to 18"),
        ("model", {"side": 100}, "side is 100, but must be a multiple of 32"),
    ):
        wrong = copy.deepcopy(values)
        wrong[part] |= change
        with pytest.raises(ElqError, match=words):
            fit(wrong, tmp_path / "bad")


def test_entities_of_training_and_development_are_told(values, tmp_path, caplog):
    values["trainer"] |= {"max_epochs": 1, "max_steps": 1}
    fit(values, tmp_path)
    assert "8 entities are in data.train and in data.dev: the figures of these say little" in caplog.text


def test_a_sample_of_the_development_pictures_is_measured(values, tower_run):
    cli = TowerCLI({k: v for k, v in values.items() if k != "task"}, run=False)
    data = cli.datamodule
    data.setup("fit")
    data.dev_among = 1
    asked, among = data.development()
    assert [len(pairs) for pairs in asked.values()] == [8, 8]
    gold = {row for pairs in asked.values() for row, _ in pairs}
    assert gold <= among.keys()
    assert len(among) <= len(gold) + 1
    every, all_of_them = data.development(every=True)
    assert [len(pairs) for pairs in every.values()] == [24, 10]
    assert len(all_of_them) == 8
    assert data.development() == (asked, among)
