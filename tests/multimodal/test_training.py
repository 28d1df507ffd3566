"""Training of a multimodal network: a whole run, one that is killed and goes on, and what its settings change."""

import copy
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from hydra import compose, initialize_config_dir

from elq.commands import run
from elq.commands.train import CONF, fit, plain_values
from elq.disambiguation.cross_fit import fit_weights
from elq.disambiguation.disambiguator import Disambiguator
from elq.entities.build import BuildSettings
from elq.errors import ElqError
from elq.multimodal.candidates import Nearest
from elq.multimodal.combining import PictureLinking, log_probs
from elq.multimodal.disambiguator import MultimodalDisambiguator
from elq.multimodal.feature_maker import are_named
from elq.multimodal.presets import PRESETS
from elq.multimodal.training.batches import MultimodalCollator, candidate_rows
from elq.multimodal.training.data import MultimodalData
from elq.multimodal.training.module import Measured, MultimodalModule
from elq.multimodal.training.parser import MultimodalCLI
from elq.multimodal.training.settings import MultimodalTraining, Negatives
from elq.multimodal.unit import Sizes
from elq.questions.annotated import read_questions
from elq.training.schedule import parameter_groups
from tests.disambiguation.tiny import Break
from tests.multimodal.made import SIZES


@pytest.fixture
def values(pictured_values) -> dict:
    return copy.deepcopy(pictured_values)


def data_of(values: dict, cache, **changes) -> MultimodalData:
    chosen = {**values["data"], "cache": str(cache), **changes}
    chosen |= {"build": BuildSettings(**values["data"]["build"]), "negatives": Negatives(**values["data"]["negatives"])}
    chosen["nearest"] = Nearest(**values["data"]["nearest"])
    settings = MultimodalTraining(units=["text", "picture"])
    data = MultimodalData(
        **chosen, settings=settings, encoder=values["model"]["encoder"], tower=values["model"]["tower"], seed=3
    )
    data.prepare_data()
    data.setup("fit")
    return data


def test_a_run_learns_and_its_folder_links(pictured_run, pictured_folder):
    metrics = json.loads((pictured_run / "metrics.json").read_text())["model"]
    assert metrics["accuracy"] > metrics["text"] + 0.15
    assert metrics["mentions"] == 34
    assert metrics["hits@1"] == metrics["accuracy"] <= metrics["hits@3"] <= metrics["hits@5"] <= metrics["hits@10"]
    model = MultimodalDisambiguator.from_pretrained(pictured_run / "model")
    right = 0
    for name in ("dev", "dev_boxes"):
        for question in read_questions(pictured_folder / f"{name}.jsonl"):
            spans = [(one.start, one.end) for one in question.mentions]
            [link] = model.link(question.text, spans, image=question.image, box=question.box)
            right += link.entity == (question.box_entity or question.mentions[0].entity)
    assert right / 34 == pytest.approx(metrics["accuracy"])
    assert (pictured_run / "model" / "training.yaml").is_file()
    linking = PictureLinking.load(pictured_run / "model" / "pictures")
    assert linking.fitted == (24, 0, 10)


def test_the_folder_is_that_of_a_bi_encoder_and_has_its_entity_encoder(pictured_run, encoder_folder):
    alone = Disambiguator.from_pretrained(pictured_run / "model")
    weights = (pictured_run / "model" / "entity_encoder" / "model.safetensors").read_bytes()
    assert weights == (encoder_folder / "model.safetensors").read_bytes()
    assert alone.ranking.fitted > 0
    [[link]] = alone.link(["where is paris"], [[(9, 14)]])
    assert link.entity in ("Q10", "Q11")


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(values, pictured_run, tmp_path):
    values["trainer"]["default_root_dir"] = str(tmp_path)
    cli = MultimodalCLI(copy.deepcopy({k: v for k, v in values.items() if k != "task"}), run=False)
    cli.trainer.callbacks.append(Break(5))
    with pytest.raises(RuntimeError, match="broken"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert not (tmp_path / "model").exists()
    fit({**values, "ckpt_path": str(tmp_path / "checkpoints" / "last.ckpt")}, tmp_path)
    whole, again = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for folder in (pictured_run, tmp_path)
    )
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name
    found, expected = ({**json.loads((f / "metrics.json").read_text())["model"]} for f in (tmp_path, pictured_run))
    assert found == expected


def test_the_saved_config_trains_the_same(pictured_run, tmp_path):
    flags = ["--config", str(pictured_run / "config.yaml"), "--trainer.default_root_dir", str(tmp_path / "again")]
    assert run("fit", [*flags, "--trainer.max_epochs", "1"]) == 0
    assert MultimodalDisambiguator.from_pretrained(tmp_path / "again" / "model").network.units.keys() == {"text", "picture"}


def test_the_features_are_computed_once(values, tmp_path, monkeypatch):
    data_of(values, tmp_path / "cache")
    from elq.multimodal.text_features import TextTower
    from elq.vision.clip import ClipTower

    monkeypatch.setattr(TextTower, "mentions", None)
    monkeypatch.setattr(ClipTower, "encode", None)
    data = data_of(values, tmp_path / "cache")
    assert data.train.pictures.there.all()
    shutil.rmtree(next((tmp_path / "cache").glob("mentions-*")))
    with pytest.raises(TypeError):
        data_of(values, tmp_path / "cache")


def test_a_batch_has_the_gold_entity_first_and_no_candidate_twice(values, tmp_path):
    data = data_of(values, tmp_path / "cache")
    collator = MultimodalCollator(
        data.train.features, data.entities, data.train.rows, data.nearby, Negatives(), count=9, seed=1
    )
    batch = collator([3, 0, 7])
    assert batch.gold.tolist() == [0, 0, 0]
    table = data.base.entities.table.tensor()[:, : data.base.network.width]
    for m, number in enumerate((3, 0, 7)):
        texts = batch.entities.text[batch.rows[m]]
        assert torch.equal(texts[0], table[data.train.rows[number]])
        assert len({*batch.rows[m].tolist()}) == batch.rows.shape[1]
    again, other = (
        collator([3, 0, 7]),
        MultimodalCollator(
            data.train.features, data.entities, data.train.rows, data.nearby, Negatives(hard=2, in_batch=0), count=9, seed=2
        )([3, 0, 7]),
    )
    assert torch.equal(batch.rows, again.rows)
    assert other.rows.shape[1] == 3
    moved = batch.to("cpu")
    assert torch.equal(moved.rows, batch.rows)


def test_hard_negatives_have_the_name_or_are_near_and_are_never_right(values, tmp_path):
    data = data_of(values, tmp_path / "cache")
    for example, (near, named) in zip(data.train.examples, data.nearby, strict=True):
        assert example.row not in near
        assert example.row not in named
        assert -1 not in near
        if example.named:
            assert {data.base.entities.catalogue[row].label for row in named} == {example.mention}
        else:
            assert named == []


def test_a_mention_has_as_many_candidates_as_the_others_even_in_a_small_catalogue():
    rows = candidate_rows([0, 1, 2], [{1}, {2, 3, 4}, {0}], 2, 5, "s")
    assert {len(one) for one in rows} == {5}
    assert [one[0] for one in rows] == [0, 1, 2]
    assert all(len({*one}) == 5 for one in rows)
    assert candidate_rows([0, 1], [{1}, {0}], 0, 9, "s") == [[0, 1], [1, 0]]


def test_the_weights_are_fitted_apart_for_names_and_for_boxes(values, tmp_path):
    data = data_of(values, tmp_path / "cache")
    module = MultimodalModule(values["model"]["encoder"], values["model"]["tower"], units=["picture"])
    measured = Measured(module.network, data, data.dev, data.development(every=True))
    text, network = measured.text.clone(), measured.scores
    weights = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    total = measured.total(weights)
    assert measured.kinds.tolist() == [0 if one.named else 2 for one in data.dev.examples]
    for m in range(len(measured.targets)):
        order = (text if measured.kinds[m] == 0 else network)[m].argsort(descending=True, stable=True)
        assert total[m].argsort(descending=True, stable=True)[0] == order[0]
    measured.pictured[:] = False
    assert torch.equal(measured.total(weights), text)
    slow = [
        sorted(line.tolist(), reverse=True).index(line[target]) if target >= 0 else -1
        for line, target in zip(text, measured.targets, strict=True)
    ]
    assert measured.ranks(text).tolist() == slow
    found = measured.accuracies(weights)
    assert found["text"] == pytest.approx(sum(rank == 0 for rank in slow) / len(slow))


def test_the_texts_are_fitted_on_mentions_that_are_names(values, pictured_folder, tmp_path):
    data = data_of(values, tmp_path / "cache")
    names = sum(are_named(data.base, data.train.examples))
    assert 0 < names == data.base.ranking.fitted
    lines = (pictured_folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    others = [json.loads(line) for line in lines]
    for question in others:
        [mention] = question["mentions"]
        text = question["text"][: mention["start"]] + "they" + question["text"][mention["end"] :]
        question["text"], mention["end"], question["image"] = (
            text,
            mention["start"] + 4,
            str(pictured_folder / question["image"]),
        )
    file = tmp_path / "others.jsonl"
    file.write_text("".join(json.dumps(question) + "\n" for question in others), encoding="utf-8")
    more = data_of(values, tmp_path / "cache", train=[str(file), *values["data"]["train"]])
    assert len(more.train.rows) == len(data.train.rows) + len(others)
    assert more.base.ranking == data.base.ranking  # "they" has changed nothing
    alone = data_of(values, tmp_path / "cache", train=[str(file)])
    assert alone.base.ranking.fitted == len(others)  # there is nothing else


def test_words_that_are_no_name_have_weights_of_their_own(values, pictured_folder, tmp_path):
    data = data_of(values, tmp_path / "cache")
    module = MultimodalModule(values["model"]["encoder"], values["model"]["tower"], units=["picture"])
    measured = Measured(module.network, data, data.dev, data.development(every=True))
    before = measured.fitted()
    named = (measured.kinds == 0).nonzero().squeeze(-1)
    moved = named[::2]
    measured.kinds[moved] = 1
    after = measured.fitted()
    assert torch.equal(after[2], before[2])
    for kind, own in ((0, named[1::2]), (1, moved)):
        expected = fit_weights(log_probs(measured.text[own]), measured.scores[own], measured.targets[own])
        assert after[kind].tolist() == pytest.approx([*expected], abs=1e-4)
    assert after[0].tolist() != after[1].tolist()


def test_most_bounds_the_mentions_of_an_epoch(values, tmp_path):
    data = data_of(values, tmp_path / "cache", most=20, dev_most=5)
    assert len(data.of_epoch(0)) == 20 < len(data.train.rows)
    assert len(data.batches(0)) == 3
    assert data.of_epoch(0) == data.of_epoch(0) != data.of_epoch(1)
    assert len(data.development()) == 5 < len(data.development(every=True))
    assert data.development() == data.development()


@pytest.mark.parametrize(
    "change", [{"lr": 1e-3}, {"lr_mean": 1e-4}, {"weight_decay": 0.9}, {"warmup_steps": 30}, {"moving_mean": 0.9}]
)
def test_each_setting_of_the_optimiser_changes_the_weights(change, values, pictured_run, tmp_path):
    values["model"] |= change
    values["trainer"] |= {"max_epochs": 2, "max_steps": 6}
    one = tmp_path / "one"
    one.mkdir()
    fit(copy.deepcopy(values), one)
    values["model"] = {
        **values["model"],
        "lr": 1e-2,
        "lr_mean": 1e-2,
        "weight_decay": 0.01,
        "warmup_steps": 2,
        "moving_mean": 0.0,
    }
    other = tmp_path / "other"
    other.mkdir()
    fit(values, other)
    first, second = (MultimodalDisambiguator.from_pretrained(folder / "model").network.state_dict() for folder in (one, other))
    assert any(not torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("name", PRESETS)
def test_every_weight_of_a_preset_has_one_learning_rate(name):
    settings = MultimodalTraining(preset=name)
    network, rates = settings.network(SIZES), MultimodalModule.rates.fget(SimpleNamespace(settings=settings))
    groups = parameter_groups(network, rates, weight_decay=0.0, undecayed=())
    assert sorted(id(one) for group in groups for one in group["params"]) == sorted(map(id, network.parameters()))
    own = {group["lr"] for group in groups if any(one is network.log_weights for one in group["params"])}
    assert own == (set() if network.log_weights is None else {settings.lr_mean})


def test_a_preset_gives_units_and_options_change_them():
    sizes = Sizes(text=6, picture=8)
    chosen = MultimodalTraining(preset="mimic")
    assert [*chosen.config(sizes).units] == ["tglu", "vdlu", "cmfu"]
    assert (chosen.name, chosen.decoding, chosen.config(sizes).mean) == ("mimic", "rank", "by_words")
    fewer = MultimodalTraining(preset="mimic", without=["vdlu"], options={"tglu": {"hidden": 4}})
    assert {name: dict(values) for name, values in fewer.config(sizes).units.items()} == {"tglu": {"hidden": 4}, "cmfu": {}}
    assert MultimodalTraining(units=["text"], preset="mimic").name == ""
    for wrong, said in (
        ({"preset": "x"}, "there is no preset 'x'"),
        ({"units": ["x"]}, "there is no unit 'x'"),
        ({"without": ["text"]}, "model.without names text, but the units are tglu"),
        ({"options": {"text": {}}}, "model.options names text"),
        ({"options": {"tglu": {"x": 1}}}, "has no setting x"),
        ({"units": ["text"], "without": ["text"]}, "has 0 units"),
        ({"lr": 0.0}, "model.lr is 0.0"),
        ({"lr_mean": 1.0}, "model.lr_mean is 1.0"),
        ({"moving_mean": 1.0}, "model.moving_mean is 1.0"),
    ):
        with pytest.raises(ElqError, match=said):
            MultimodalTraining(**wrong).network(sizes)


def test_the_noise_filter_can_be_switched_on_and_off():
    sizes = Sizes(text=6, picture=8)
    assert MultimodalTraining(preset="hq").network(sizes).noise is not None
    assert MultimodalTraining(preset="hq", noise=False).network(sizes).noise is None
    assert MultimodalTraining(preset="mimic").network(sizes).noise is None
    assert MultimodalTraining(preset="mimic", noise=True).network(sizes).noise is not None
    filters = [MultimodalTraining(preset=name, noise=True).config(sizes).noise for name in ("hq", "mimic")]
    assert filters[0] == filters[1]
    assert filters[0]["candidates"] > 0  # not with all, since a wrong picture agrees with those that it has found


def test_the_experiment_composes():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        values = plain_values(compose("train", ["+experiment=multimodal", "model.preset=text"]))
    assert values["task"] == "multimodal"
    assert values["model"]["preset"] == "text"


def test_wrong_values_are_refused_in_one_sentence(values, tmp_path):
    (tmp_path / "empty.jsonl").write_text('{"text": "nobody"}\n')
    for change, words in (
        ({"batch_size": 0}, "data.batch_size is 0"),
        ({"dev_most": 0}, "data.dev_most is 0"),
        ({"most": 0}, "data.most is 0"),
        ({"train": []}, "data.train is empty"),
        ({"prompt": "circled"}, "data.prompt is 'circled'"),
        ({"train": [str(tmp_path / "none.jsonl")]}, "data files are missing: .*none.jsonl"),
        ({"dev": [str(tmp_path / "empty.jsonl")]}, "have no mention whose entity is in the catalogue"),
        ({"negatives": {"hard": 0}}, "data.negatives.hard is 0"),
        ({"nearest": {"text": 0}}, "candidates by text are 0"),
        ({"colour": 1}, "data.colour is not a setting"),
    ):
        wrong = copy.deepcopy(values)
        wrong["data"] |= change
        with pytest.raises(ElqError, match=words):
            fit(wrong, tmp_path / "bad")


def test_it_trains_on_the_towers_of_a_bi_encoder(values, encoder_folder, pictured_folder, tmp_path):
    from elq.disambiguation.ranking import Ranking
    from elq.entities.build import build_entities
    from elq.model.biencoder import BiEncoder

    folder = tmp_path / "biencoder"
    folder.mkdir()
    torch.manual_seed(4)
    network, texts = BiEncoder.from_encoder(encoder_folder, context_tokens=30, entity_tokens=24)
    network.save_pretrained(folder, texts)
    Ranking(candidates=4, fitted=3).save(folder)
    build_entities(
        pictured_folder / "catalogue.jsonl",
        folder / "entities",
        BuildSettings(encoder=str(folder / "entity_encoder"), precision="fp32", dtype="float32"),
    )
    values["model"]["encoder"] = str(folder)
    values["model"]["units"] = ["tglu", "picture"]  # one of them reads the words of entities
    values["data"]["entities"] = str(tmp_path / "entities")
    values["trainer"]["max_epochs"] = 1
    made = tmp_path / "run"
    made.mkdir()
    found = fit(values, made)
    shutil.rmtree(folder)  # the model folder needs no other
    shutil.rmtree(tmp_path / "entities")
    model = MultimodalDisambiguator.from_pretrained(made / "model")
    assert model.base.ranking.fitted == 3
    questions = read_questions(pictured_folder / "dev.jsonl")
    links = model.link(
        [q.text for q in questions],
        [[(m.start, m.end) for m in q.mentions] for q in questions],
        image=[q.image for q in questions],
    )
    right = sum(link.entity == q.mentions[0].entity for q, [link] in zip(questions, links, strict=True))
    assert 0 <= right <= 24
    assert found["mentions"] == 34
