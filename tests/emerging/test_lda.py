"""Topics of entities and contexts, and how far they are apart."""

import math

import numpy as np
import pytest

from elq.emerging.lda import Topics, TopicSettings, content_words, kl_divergence
from elq.errors import ElqError
from elq.types import Entity

RIVERS = ["river flows north sea delta", "river source mountain sea", "long river delta mountain", "river valley sea flows"]
SONGS = ["song album singer band", "singer guitar band concert", "album guitar song concert", "band album singer guitar"]
THEMES = [*RIVERS, *SONGS] * 6
TWO = TopicSettings(topics=2, passes=20)


@pytest.fixture(scope="module")
def topics() -> Topics:
    return Topics(THEMES, TWO)


def slow_kl(left, right) -> float:
    total = 0.0
    for p, q in zip(left, right, strict=True):
        if p > 0:
            total += math.inf if q == 0 else p * math.log(p / q)
    return total


def test_kl_divergence_is_the_sum_over_topics():
    random = np.random.default_rng(0)
    left, right = random.dirichlet(np.ones(5), (3, 1)), random.dirichlet(np.ones(5), (1, 4))
    left[0, 0, 2], right[0, 1, 3] = 0.0, 0.0
    found = kl_divergence(left, right)
    assert found.shape == (3, 4)
    expected = [[slow_kl(left[i, 0], right[0, j]) for j in range(4)] for i in range(3)]
    assert found.tolist() == [pytest.approx(row) for row in expected]
    assert found[0, 1] == math.inf


def test_topics_are_distributions_and_do_not_depend_on_other_texts(topics):
    all_of_them = topics(["a river to the sea", "the band and its album", "unknown words"])
    assert all_of_them.sum(-1) == pytest.approx(np.ones(3))
    assert topics(["the band and its album"])[0] == pytest.approx(all_of_them[1])
    assert all_of_them[2] == pytest.approx([0.5, 0.5])  # no known word
    assert topics([]).shape == (0, 2)


def test_the_same_seed_gives_the_same_topics_and_another_seed_others(topics):
    texts = ["river sea", "song band river"]
    assert Topics(THEMES, TWO)(texts).tolist() == topics(texts).tolist()
    assert Topics(THEMES, TopicSettings(topics=2, passes=20, seed=1))(texts).tolist() != topics(texts).tolist()


def test_every_setting_changes_the_topics(topics):
    assert Topics(THEMES, TopicSettings(topics=3, passes=20))(["river"]).shape == (1, 3)
    assert Topics(THEMES, TopicSettings(topics=2, passes=1))(["river"]).tolist() != topics(["river"]).tolist()


def test_the_distance_is_that_of_the_nearest_candidate(topics):
    seine, elbe, queen = (
        Entity("1", "Seine", "Seine", "river delta sea"),
        Entity("2", "Elbe", "Elbe", "long river valley"),
        Entity("3", "Queen", "Queen", "band with singer and guitar"),
    )
    contexts = ["which river flows to the sea", "concert of the singer", "album song"]
    found = topics.distances(contexts, [[seine, queen, elbe], [queen], []])
    texts = ["Seine: river delta sea", "Queen: band with singer and guitar", "Elbe: long river valley"]
    of_entities, of_contexts = topics(texts), topics(contexts)
    assert found[0] == pytest.approx(min(slow_kl(of_contexts[0], each) for each in of_entities))
    assert found[1] == pytest.approx(slow_kl(of_contexts[1], of_entities[1]))
    assert found[2] == math.inf
    rivers, band = topics.distances(["band album"] * 2, [[seine, elbe], [queen]])
    assert rivers > 1 > band


def test_topics_of_a_catalogue_read_the_texts_that_are_drawn(entities):
    one, two = (Topics.of_catalogue(entities.catalogue, TopicSettings(topics=2, entities=n)) for n in (1, 7))
    texts = ["paris texas", "the ship titanic", "queen band"]
    assert not np.allclose(one(texts), two(texts))
    again = Topics.of_catalogue(entities.catalogue, TopicSettings(topics=2, entities=1))
    assert again(texts).tolist() == one(texts).tolist()


def test_words_are_folded_and_numbers_and_function_words_are_left_out():
    assert content_words("Zoë's 2 songs of IT, by the X") == ["zoe", "songs"]
    assert content_words("谁导演") == ["谁", "导", "演"]


def test_texts_without_words_and_wrong_settings_are_refused():
    with pytest.raises(ElqError, match="no words"):
        Topics(["", "the 12"], TWO)
    with pytest.raises(ElqError, match="topics is 1, but must be at least 2"):
        TopicSettings(topics=1)
