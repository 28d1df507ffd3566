"""Features of texts and pictures: they equal what the towers give one by one, padding and order change nothing."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from elq.disambiguation.disambiguator import Disambiguator
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.transformer import Encoder
from elq.errors import ElqError
from elq.model.biencoder import BiEncoder
from elq.multimodal.examples import PicturedMention, boxed_mention, pictured_examples
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.letters import ALPHABET, letters_of
from elq.multimodal.picture_features import EntityPictures, MemoryStore, first_of_each, pictures_of
from elq.multimodal.text_features import TextTower, TextVectors, cached, chained, stacked
from elq.questions.annotated import question_from_record
from elq.vision.clip import ClipTower
from elq.vision.problems import Problems
from tests.multimodal.pictured import drawn

EVERYTHING = {"text", "words", "characters", "pictures", "patches"}


@pytest.fixture(scope="module")
def base(encoder_folder, entities) -> Disambiguator:
    torch.manual_seed(2)
    network, texts = BiEncoder.from_encoder(encoder_folder, entity_tower="frozen", context_tokens=24, entity_tokens=24)
    return Disambiguator(network.eval(), texts, entities)


@pytest.fixture(scope="module")
def tower(tower_folder) -> ClipTower:
    return ClipTower(tower_folder)


MENTIONS = [
    PicturedMention("who directed titanic?", 13, 20, -1),
    PicturedMention("paris", 0, 5, -1),
    PicturedMention("what river is in paris in the film", 17, 22, -1),
    boxed_mention("?!", None, None),
]


def test_the_vectors_of_mentions_are_those_of_the_bi_encoder_and_of_each_text_alone(base):
    text_tower = TextTower(base)
    together = text_tower.mentions(MENTIONS)
    torch.testing.assert_close(together.whole, base.vectors(MENTIONS))
    whole, words, mask = together.at(torch.arange(4))
    for place, one in enumerate(MENTIONS):
        alone = text_tower.mentions([one])
        [own_whole], [own_words], [own_mask] = alone.at(torch.tensor([0]))
        torch.testing.assert_close(whole[place], own_whole)
        torch.testing.assert_close(words[place, : len(own_words)], own_words, atol=2e-3, rtol=2e-3)
        assert mask[place].tolist() == [True] * len(own_words) + [False] * (words.shape[1] - len(own_words))
        assert own_mask.all()
    assert not words[~mask].any()


def test_the_words_of_entities_are_those_of_the_encoder(base, encoder_folder):
    rows = [3, 0, 5]
    vectors = TextTower(base).entities(rows)
    whole, words, mask = vectors.at(torch.tensor([2, 0]))
    encoder, tokenizer = Encoder.from_pretrained(encoder_folder).eval(), load_tokenizer(encoder_folder)
    for place, row in enumerate([5, 3]):
        entity = base.entities.catalogue[row]
        text = entity.title + (f" ({', '.join(entity.aliases)})" if entity.aliases else "")
        tokens = tokenizer([text + (f": {entity.description}" if entity.description else "")])
        with torch.inference_mode():
            [hidden] = encoder(tokens.ids, tokens.attention)
        torch.testing.assert_close(words[place, : len(hidden)], hidden, atol=2e-3, rtol=2e-3)
        assert int(mask[place].sum()) == len(hidden)
        torch.testing.assert_close(whole[place], base.entities.table.gather(torch.tensor(row)))


def random_vectors(lengths: list[int]) -> TextVectors:
    return stacked([torch.randn(5) for _ in lengths], [torch.randn(length, 5) for length in lengths])


def test_joined_parts_are_the_whole():
    lengths = [3, 1, 0, 4, 2]
    torch.manual_seed(0)
    wholes, words = [torch.randn(5) for _ in lengths], [torch.randn(length, 5) for length in lengths]
    whole = stacked(wholes, words)
    parts = chained([stacked(wholes[:2], words[:2]), stacked(wholes[2:3], words[2:3]), stacked(wholes[3:], words[3:])])
    for one, other in zip(whole.at(torch.tensor([4, 0, 2, 3, 3])), parts.at(torch.tensor([4, 0, 2, 3, 3])), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(whole.at(torch.tensor([3]))[1][0], words[3].half().float())


def test_a_killed_computation_goes_on_and_gives_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("elq.multimodal.text_features.PART", 2)
    torch.manual_seed(0)
    everything, asked = random_vectors([3, 1, 2, 4, 2]), []

    def compute(part: range) -> TextVectors:
        asked.append([*part])
        if len(asked) == 2:
            raise KeyboardInterrupt
        lengths = everything.ends.diff(prepend=torch.tensor([0]))
        words = everything.words.split(lengths.tolist())
        return stacked([everything.whole[n] for n in part], [words[n] for n in part])

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path / "a", 5, compute, "texts")
    found = cached(tmp_path / "a", 5, compute, "texts")
    assert asked == [[0, 1], [2, 3], [2, 3], [4]]
    for one, other in zip(found.at(torch.arange(5)), everything.at(torch.arange(5)), strict=True):
        assert torch.equal(one, other)
    assert len(cached(tmp_path / "a", 5, compute, "texts")) == 5
    assert len(asked) == 4


def test_a_box_is_cut_out_or_drawn_and_a_broken_picture_counts_as_none(tower, tmp_path):
    wide = Image.new("RGB", (96, 48), "white")
    wide.paste(drawn("red", "circle"), (0, 0))
    wide.paste(drawn("blue", "square"), (48, 0))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    mentions = [
        PicturedMention("a", 0, 1, -1, image=wide, box=(48, 0, 96, 48)),
        PicturedMention("b", 0, 1, -1, image=drawn("blue", "square")),
        PicturedMention("c", 0, 1, -1, image=str(tmp_path / "broken.png")),
        PicturedMention("d", 0, 1, -1),
    ]
    problems = Problems()
    cropped = pictures_of(mentions, MemoryStore(tower), problems=problems)
    whole, patches, mask = cropped.at([0, 1, 2, 3])
    assert mask.tolist() == [[True], [True], [False], [False]]
    assert problems.count == 1
    expected = tower.encode([drawn("blue", "square")])
    for place in (0, 1):  # the box has the same pixels as the other picture
        torch.testing.assert_close(whole[place], expected.whole, atol=2e-3, rtol=2e-3)
        torch.testing.assert_close(patches[place, 0], expected.patches[0], atol=2e-3, rtol=2e-3)
    shown = pictures_of(mentions, MemoryStore(tower), prompt="drawn")
    both, _, there = shown.at([0, 1, 2, 3], patches=False)
    assert there.tolist() == [[True, True], [True, False], [False, False], [False, False]]
    assert torch.equal(both[0, 1], whole[0, 0])
    assert torch.equal(both[1, 0], whole[1, 0])
    assert (both[0, 0] - tower.encode([wide]).whole[0]).abs().max() > 0.01  # the box is drawn into it
    with pytest.raises(ElqError, match="prompt is 'circled'"):
        pictures_of(mentions, MemoryStore(tower), prompt="circled")


@pytest.fixture
def entity_pictures() -> EntityPictures:
    generator = np.random.default_rng(0)
    rows = np.array([0, 0, 0, -1, 2, 5, -1, 5], np.int32)  # two are of removed entities
    return EntityPictures(
        generator.normal(size=(8, 4)).astype(np.float16), generator.normal(size=(8, 3, 4)).astype(np.float16), rows
    )


def test_the_pictures_of_entities_are_those_of_a_slow_loop(entity_pictures):
    whole, patches, mask = entity_pictures.at(torch.tensor([5, 1, 0, 7, 2]))
    own = {0: [0, 1], 2: [4], 5: [5, 7]}  # of three pictures, two count
    for place, row in enumerate([5, 1, 0, 7, 2]):
        places = own.get(row, [])
        assert mask[place].tolist() == [number < len(places) for number in range(2)]
        for number, picture in enumerate(places):
            assert torch.equal(whole[place, number], torch.from_numpy(entity_pictures.whole[picture]).float())
            assert torch.equal(patches[place, number], torch.from_numpy(entity_pictures.patches[picture]).float())


def test_pictures_of_removed_entities_alone_are_no_pictures():
    none = EntityPictures(np.ones((2, 4), np.float16), np.ones((2, 3, 4), np.float16), np.array([-1, -1], np.int32))
    whole, patches, mask = none.at(torch.tensor([0, 1]))
    assert not mask.any()
    assert (whole.abs().sum(), patches.abs().sum()) == (0, 0)
    assert none.nearest(torch.ones(1, 1, 4), torch.tensor([[True]]), 2).tolist() == [[-1, -1]]


def test_the_nearest_pictures_are_those_of_a_slow_loop(entity_pictures):
    torch.manual_seed(1)
    pictures, mask = torch.randn(4, 2, 4), torch.tensor([[True, True], [True, False], [False, False], [True, True]])
    found = entity_pictures.nearest(pictures, mask, 3).tolist()
    for place in range(4):
        if not mask[place].any():
            assert found[place] == [-1, -1, -1]
            continue
        query = pictures[place, 1 if mask[place, 1] else 0].numpy()  # the box counts, not the whole picture
        scores = {}
        for picture, row in ((0, 0), (1, 0), (2, 0), (4, 2), (5, 5), (7, 5)):
            vector = entity_pictures.whole[picture].astype(np.float32)
            cosine = float(query @ vector / np.linalg.norm(query) / np.linalg.norm(vector))
            scores[row] = max(scores.get(row, -2.0), cosine)
        assert found[place] == sorted(scores, key=lambda row: -scores[row])
    assert entity_pictures.nearest(pictures, mask, 1).tolist() == [line[:1] for line in found]
    assert first_of_each(torch.tensor([[4, 4, -1, 2]]), 3).tolist() == [[4, 2, -1]]


def test_what_no_unit_reads_is_not_made(base, tower):
    entity = EntityFeatures(TextTower(base), EntityPictures(*of_tower(tower)), {"text"})
    features = entity.at(torch.tensor([0, 3]))
    assert (features.words.shape[1], features.characters.tolist(), features.patches.shape[2]) == (0, [[0], [0]], 0)
    everything = EntityFeatures(TextTower(base), EntityPictures(*of_tower(tower)), EVERYTHING).at(torch.tensor([0, 3]))
    assert torch.equal(features.text, everything.text)
    assert everything.word_mask.any(-1).all()
    assert everything.characters.bool().any(-1).all()


def of_tower(tower: ClipTower) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = tower.encode([drawn("red", "circle")])
    return found.whole.half().numpy(), found.patches.half().numpy(), np.array([3], np.int32)


def test_a_batch_of_entities_has_the_features_of_each_alone(base, tower):
    entity = EntityFeatures(TextTower(base), EntityPictures(*of_tower(tower)), EVERYTHING)
    together = entity.at(torch.tensor([0, 3, 6]))
    for place, row in enumerate((0, 3, 6)):
        alone = EntityFeatures(TextTower(base), EntityPictures(*of_tower(tower)), EVERYTHING).at(torch.tensor([row]))
        length = alone.words.shape[1]
        torch.testing.assert_close(together.words[place, :length], alone.words[0], atol=2e-3, rtol=2e-3)
        assert not together.word_mask[place, length:].any()
        assert together.picture_mask[place].tolist() == alone.picture_mask[0].tolist() == [row == 3, False]
        letters = alone.characters.shape[1]
        assert together.characters[place, :letters].tolist() == alone.characters[0].tolist()


def test_letters_are_numbers_below_the_size_of_the_alphabet():
    names = ["Zoë's Café", "", "北京 Москва", "x" * 99]
    letters = letters_of(names)
    assert int(letters.max()) < ALPHABET
    assert letters[1].tolist() == [0] * letters.shape[1]
    assert letters_of(["zoes cafe"])[0, 0] == letters[0, 0]
    assert int((letters[3] > 0).sum()) == 32


def test_examples_of_questions_have_mentions_and_boxes(entities):
    records = [
        {"text": "the queen", "image": "a.png", "mentions": [{"start": 4, "end": 9, "entity": "Q116"}]},
        {"text": "who is it", "image": "a.png", "box": [0, 0, 9, 9], "entity": "Q90"},
        {"text": "xyz", "mentions": [{"start": 0, "end": 3, "entity": None}]},
    ]
    questions = [question_from_record(record, number) for number, record in enumerate(records)]
    first, second = pictured_examples(questions, entities.catalogue, "q.jsonl")
    assert (first.mention, first.row, first.named, first.image, first.document) == ("queen", 5, True, "a.png", 0)
    assert (second.mention, second.row, second.named, second.box) == ("who is it", 0, False, (0.0, 0.0, 9.0, 9.0))
    wrong = question_from_record({**records[1], "entity": "Q1"}, 7)
    with pytest.raises(ElqError, match=r"q\.jsonl: question 7 has the entity Q1, which is not in the catalogue"):
        pictured_examples([wrong], entities.catalogue, "q.jsonl")


def test_mentions_are_taken_in_any_order(base, tower):
    pictures = pictures_of(MENTIONS, MemoryStore(tower))
    names = [m.mention for m in MENTIONS]
    features = MentionFeatures(TextTower(base).mentions(MENTIONS), names, pictures, EVERYTHING, [True, True, True, False])
    numbers = [2, 0, 3]
    random.Random(0).shuffle(numbers)
    taken, everything = features.at(numbers), features.at(range(4))
    assert everything.named.tolist() == [True, True, True, False]
    assert taken.named.tolist() == [number != 3 for number in numbers]
    for place, number in enumerate(numbers):
        assert torch.equal(taken.text[place], everything.text[number])
        assert taken.word_mask[place].sum() == everything.word_mask[number].sum()
