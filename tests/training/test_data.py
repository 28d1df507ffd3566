import sys

import pytest
import torch

import elq.training.module
from elq.commands.train import fit
from elq.encoding.capitals import CAPITAL, with_capitals
from elq.entities.build import BuildSettings
from elq.errors import ElqError
from elq.evaluation.sweep import SWEEP_FLOOR, ThresholdSweep
from elq.linking.linker import Linker
from elq.training.batches import POOL, Collator, ShuffledBatches
from elq.training.data import QuestionData
from elq.training.parser import ELQCLI
from elq.training.parts import PartSettings
from elq.training.settings import ModelSettings
from elq.training.stages import Source, Stage
from elq.types import Mention, Question
from tests.conftest import write_lines


def order(length=23, **settings):
    return list(ShuffledBatches(**{"sizes": [1] * length, "batch_size": 4, "seed": 0, "epoch": 0} | settings))


def test_batches_are_a_shuffle_that_depends_on_seed_and_epoch_only():
    batches = order()
    assert sorted(i for batch in batches for i in batch) == list(range(23))
    assert len(batches) == len(ShuffledBatches([1] * 23, 4, seed=0, epoch=0)) == 6
    assert order() == batches
    assert order(epoch=1) != batches
    assert order(seed=1) != batches


@pytest.mark.parametrize("length", [23, 24, 25])
def test_the_shares_of_the_ranks_make_up_the_batches_of_one_process(length):
    ranks = [order(rank=rank, world=3, length=length) for rank in range(3)]
    assert {len(rank) for rank in ranks} == {len(ShuffledBatches([1] * length, 4, seed=0, epoch=0, world=3))}
    together = [sorted(i for share in shares for i in share) for shares in zip(*ranks, strict=True)]
    assert together == [sorted(batch) for batch in order(batch_size=12, length=length)]


def test_questions_of_similar_size_go_together():
    sizes = [(7 * i) % 101 for i in range(1000)]
    batches = order(sizes=sizes)
    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    spread = [max(sizes[i] for i in batch) - min(sizes[i] for i in batch) for batch in batches]
    assert sum(spread) / len(spread) < 30  # 60 where they are just shuffled
    means = [sum(sizes[i] for i in batch) / len(batch) for batch in batches]
    assert means[:POOL] != sorted(means[:POOL])


def test_collator_finds_token_spans_and_rows(tokenizer, entities):
    questions = [
        Question("a", "who is PARIS texas?", (Mention(7, 18, "Q830149"), Mention(0, 3, None))),
        Question("b", "queen"),
        Question("c", "the ship titanic sang", (Mention(0, 21, "Q90"),)),
    ]
    rows = {entity.id: row for row, entity in enumerate(entities.catalogue)}
    batch = Collator(tokenizer, rows, max_span_tokens=3)(questions)
    assert batch.mentions.question.tolist() == [0, 0]  # the last one is longer than three tokens
    assert batch.mentions.start.tolist() == [3, 1]
    assert batch.mentions.end.tolist() == [5, 2]
    assert batch.rows.tolist() == [1, -1]
    assert batch.questions == tuple(questions)
    assert len(Collator(tokenizer, rows, max_span_tokens=4)(questions).mentions) == 3
    empty = Collator(tokenizer, rows, max_span_tokens=3)([questions[1]])
    assert empty.rows.dtype == torch.int64
    assert len(empty.mentions) == 0


def test_a_batch_of_training_says_which_words_have_capitals(tokenizer):
    texts = ["is it in Paris", "is it in paris"]
    batch = Collator(tokenizer, {}, max_span_tokens=3)([Question(text, text) for text in texts])
    assert batch.tokens.capitals.tolist() == with_capitals(texts, tokenizer(texts)).capitals.tolist()
    assert batch.tokens.capitals[0].max() == CAPITAL
    assert not batch.tokens.capitals[1].any()


@pytest.fixture
def data(encoder_folder, catalogue_file, question_file, tmp_path):
    def make(**settings):
        stages = [Stage(sources=[Source(str(question_file), repeat=2)]), Stage(epochs=2, templates=10)]
        return QuestionData(
            str(catalogue_file),
            **{
                "entities": str(tmp_path / "entities"),
                "train": stages,
                "dev": str(question_file),
                "build": BuildSettings(precision="fp32"),
                "encoder": str(encoder_folder),
            }
            | settings,
        )

    return make


def test_stages_follow_each_other(data):
    made = data(batch_size=4)
    made.prepare_data()
    made.setup("fit")
    assert [made.stage_of(epoch) for epoch in range(5)] == [0, 1, 1, 1, 1]
    assert len(made.batches(0)) == 4  # 8 questions twice
    assert len(made.batches(1)) == 3
    assert made.build.encoder == made.encoder
    batch = next(iter(made.train_dataloader()))
    assert len(batch.questions) == 4
    assert sum(len(batch.questions) for batch in made.val_dataloader()) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="the workers of other systems are not forked")
def test_workers_make_the_same_batches(data):
    def batches(workers):
        made = data(
            batch_size=4, workers=workers, settings=ModelSettings(names=True, loss="sampled"), parts=PartSettings(share=0.5)
        )
        made.prepare_data()
        made.setup("fit")
        return [(b.questions, b.rows.tolist(), b.tokens.ids.tolist(), b.part) for b in made.train_dataloader()]

    alone, together = batches(0), batches(2)
    assert len(alone) == 4
    assert [each[:3] for each in together] == [each[:3] for each in alone]
    for (*_, one), (*_, other) in zip(alone, together, strict=True):
        assert (one is None) == (other is None)
        assert one is None or (one.rows.tolist(), one.anonymous) == (other.rows.tolist(), other.anonymous)
    with pytest.raises(ElqError, match=r"data\.workers is -1, but must be at least 0"):
        data(workers=-1)


def test_template_questions_leave_out_what_is_held_out_and_have_their_knobs(data, question_file, tmp_path):
    held = tmp_path / "held.jsonl"
    held.write_text("".join(question_file.read_text().splitlines(keepends=True)[:2]))  # Q44578 and Q90
    made = data(train=[Stage(templates=200, knobs={"no_mention": 0.4, "two_mentions": 0.0}, held_out=[str(held)])])
    made.prepare_data()
    made.setup("fit")
    questions = made._training[0]
    assert not {m.entity for q in questions for m in q.mentions} & {"Q44578", "Q90"}
    assert 0.3 < sum(not q.mentions for q in questions) / 200 < 0.5
    assert max(len(q.mentions) for q in questions) == 1
    with pytest.raises(ElqError, match="data files are missing"):
        data(train=[Stage(templates=9, held_out=["none.jsonl"])]).prepare_data()


def test_template_questions_may_stand_in_for_a_dev_file(data):
    stages = [Stage(templates=30), Stage(templates=30, knobs={"no_mention": 0.85})]
    made = data(dev=None, dev_templates=30, train=stages)
    made.prepare_data()
    made.setup("fit")
    assert len(made.dev) == 30
    for trained in made._training:
        assert [q.text for q in made.dev] != [q.text for q in trained]
    assert sum(not q.mentions for q in made.dev) > 15  # of the kind of the last stage
    for settings in ({"dev": None}, {"dev_templates": 3}):
        with pytest.raises(ElqError, match=r"data\.dev is .* give a question file .*or a number of template questions"):
            data(**settings)


def test_template_questions_are_in_the_languages(data):
    def texts(languages: list[str] | None) -> list[str]:
        made = data(dev=None, dev_templates=1, train=[Stage(templates=60)], languages=languages)
        made.prepare_data()
        made.setup("fit")
        return [question.text for question in made._training[0]]

    german = texts(["de"])
    assert sum("wie " in text.lower() or "wer " in text.lower() for text in german) > 5
    assert german != texts(None) == texts(["en"])
    with pytest.raises(ElqError, match="'xx'"):
        texts(["xx"])


def test_every_bad_setting_is_one_sentence(data, tmp_path, question_file, catalogue_file):
    with pytest.raises(ElqError, match="needs stages"):
        data(train=[])
    with pytest.raises(ElqError, match="needs stages"):
        data(train=[Stage()])
    with pytest.raises(ElqError, match=r"swapped of q.jsonl is -1, but must be a number of at least 0"):
        data(train=[Stage(sources=[Source("q.jsonl", swapped=-1)])])
    with pytest.raises(ElqError, match="batch_size is 0"):
        data(batch_size=0)
    with pytest.raises(ElqError, match=r"data files are missing: .*none\.jsonl; correct their paths"):
        data(dev=str(tmp_path / "none.jsonl")).prepare_data()
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"id": "w", "text": "paris", "mentions": [{"start": 0, "end": 5, "entity": "Q7"}]}\n')
    made = data(dev=str(wrong))
    made.prepare_data()
    with pytest.raises(ElqError, match=r"question w has the entity Q7, which is not in the catalogue .*\(1 such mentions\)"):
        made.setup("fit")


@pytest.mark.parametrize(("choice", "objective"), [("DEV_CHOICE", "set_in_catalogue"), ("TEMPLATE_CHOICE", "set_all")])
def test_the_threshold_is_chosen_among_those_that_are_nearly_as_good(choice, objective, values, tmp_path, monkeypatch):
    own, slack, depth = getattr(elq.training.module, choice)
    assert (slack, depth) == (0.005, 0.5 if choice == "DEV_CHOICE" else 1.0)
    monkeypatch.setattr(elq.training.module, choice, (own, 0.3, depth))  # of a few questions, half a point is less than one
    stages = [{"epochs": 2, "templates": 40, "knobs": {"no_mention": 0.3}}]
    made = {"dev": None, "dev_templates": 30} if choice == "TEMPLATE_CHOICE" else {}
    changed = {**values, "data": {**values["data"], "train": stages, **made}}
    fit(changed, tmp_path)
    linker = Linker.from_pretrained(tmp_path / "model")
    cli = ELQCLI({**changed, "trainer": {**values["trainer"], "default_root_dir": str(tmp_path)}}, run=False)
    cli.datamodule.prepare_data()
    cli.datamodule.setup("validate")
    dev = cli.datamodule.dev
    assert not made or any(not question.mentions for question in dev)
    links = linker.link([question.text for question in dev], threshold=SWEEP_FLOOR)
    wanted, other = (ThresholdSweep(objective, slack=0.3, depth=one) for one in (depth, 1.5 - depth))
    for sweep in (wanted, other):
        sweep.update(dev, links)
    assert linker.threshold == pytest.approx(wanted.compute().threshold, abs=1e-5)
    assert abs(linker.threshold - other.compute().threshold) > 0.01


def test_what_was_read_and_the_kinds_of_the_entities_are_told_once(data, caplog):
    caplog.set_level("INFO")
    made = data(train=[Stage(templates=5), Stage(templates=5)], dev=None, dev_templates=5)
    made.prepare_data()
    made.setup("fit")
    said = [record.getMessage() for record in caplog.records]
    assert "read 7 records: title 7, label 7, description 6, aliases 2, types 3, popularity 1" in said
    kinds = [line.partition(":")[0] for line in said if line.startswith("template sentences of the kind")]
    assert len(kinds) == len({*kinds}) > 1


def test_a_mapped_column_that_the_catalogue_lacks_is_refused(data):
    with pytest.raises(ElqError, match=r"columns has aliases=aka, but .* has no such column: its columns are id, title"):
        data(columns={"aliases": "aka"}).prepare_data()


def test_a_fraction_of_a_file_comes_in_an_epoch(data, question_file):
    def texts(repeat):
        made = data(train=[Stage(sources=[Source(str(question_file), repeat=repeat)])], batch_size=4)
        made.prepare_data()
        made.setup("fit")
        return sorted(question.text for batch in made.train_dataloader() for question in batch.questions)

    whole = texts(1)
    assert len(whole) == 8
    assert texts(2.0) == sorted(whole * 2)
    half, more = texts(0.5), texts(1.5)
    assert len(half) == 4 == len({*half} & {*whole})
    assert more == sorted(whole + half)
    with pytest.raises(ElqError, match="repeat is 0, but must be a number above 0"):
        texts(0)


def test_copies_with_other_entities_come_beside_the_questions(encoder_folder, tmp_path):
    towns = ["Ulm", "Lyon", "Turin", "Graz", "Porto", "Gdansk", "Cork", "Bergen"]
    records = [{"id": f"Q{n}", "title": name, "label": name, "description": "city"} for n, name in enumerate(towns)]
    asked = {"id": "q", "text": "who lives in ulm", "mentions": [{"start": 13, "end": 16, "entity": "Q0"}]}
    held = {"id": "h", "text": "lyon", "mentions": [{"start": 0, "end": 4, "entity": "Q1"}]}
    catalogue = write_lines(tmp_path / "catalogue.jsonl", records)
    file, other = write_lines(tmp_path / "q.jsonl", [asked] * 60), write_lines(tmp_path / "held.jsonl", [held])

    def questions(**settings):
        made = QuestionData(
            str(catalogue),
            entities=str(tmp_path / "entities"),
            train=[Stage(sources=[Source(str(file), **settings)], held_out=[str(other)])],
            dev=str(file),
            build=BuildSettings(precision="fp32"),
            encoder=str(encoder_folder),
        )
        made.prepare_data()
        made.setup("fit")
        return [*made._training[0]], made._rows

    plain, _ = questions()
    found, rows = questions(swapped=1.5)
    assert found[:60] == plain
    assert len(found) == 60 + 90
    assert {copy.id for copy in found[60:]} == {"q-swapped"}
    entities = {copy.mentions[0].entity for copy in found[60:]}
    assert entities == {f"Q{n}" for n in range(2, 8)}  # all but the entity itself and the one that is held out
    assert entities <= rows.keys()
    assert questions(swapped=1.5)[0] == found
