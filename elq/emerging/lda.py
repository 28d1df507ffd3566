"""Topics: a mention whose context has other topics than all of its candidates may mean a new entity (LDA and KL divergence).

Source: Zhang et al., "Emerging Entity Discovery Using Web Sources", CCKS 2019. The topic model is that of scikit-learn (Blei et
al., JMLR 2003; learned online as by Hoffman et al., NeurIPS 2010).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elq.entities.catalogue import Catalogue
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.names.surface import FUNCTION_WORDS
from elq.names.words import folded
from elq.tensors import Array
from elq.types import Entity

ABOUT = EntityText(fields=("title", "aliases", "types", "description"), max_aliases=10, max_types=10)
VOCABULARY = 20_000  # the most frequent words, which are the only ones that the topics know
BATCH, STEPS = 1_024, 20  # texts of one update, and steps in which the topics of a text are found


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """How the topics are learned.

    Args:
        topics: Z, the number of topics.
        entities: the number of entities whose texts are read, drawn at random; a smaller catalogue is read whole.
        passes: how many times these texts are read.
        seed: seed of the draw and of the topics.

    Raises:
        ElqError: a number is too small.
    """

    topics: int = 50
    entities: int = 20_000
    passes: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("topics", 2), ("entities", 1), ("passes", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise ElqError(f"{name} is {value}, but must be at least {least}: give {name} {least} or more")


def content_words(text: str) -> list[str]:
    """The folded words of a text without function words, single Latin letters and numbers.

    >>> content_words("Who directed the 1997 film Titanic?")
    ['directed', 'film', 'titanic']
    """
    words = folded(text).lower().split()
    return [word for word in words if word not in FUNCTION_WORDS and not word.isdigit() and (len(word) > 1 or word > "\x7f")]


def kl_divergence(left: Array, right: Array) -> Array:
    """KL(left ‖ right) in nats, (…,), of distributions (…, Z). It is ∞ where ``right`` is 0 and ``left`` is not.

    >>> kl_divergence(np.array([0.5, 0.5]), np.array([[0.5, 0.5], [0.25, 0.75]])).round(4).tolist()
    [0.0, 0.1438]
    """
    left, right = np.broadcast_arrays(left, right)  # each (…, Z)
    terms = np.zeros(left.shape)  # (…, Z); 0 log 0 = 0
    there = left > 0
    with np.errstate(divide="ignore"):
        terms[there] = left[there] * (np.log(left[there]) - np.log(right[there]))
    return np.asarray(terms.sum(-1))  # (…,)


class Topics:
    """Topics that are learned from texts, as the distribution that each text has over them.

    Args:
        texts: the texts, such as those of entities.
        settings: how the topics are learned. All texts are read: ``settings.entities`` is not used here.

    Raises:
        ElqError: the texts have no words.
    """

    def __init__(self, texts: Sequence[str], settings: TopicSettings | None = None) -> None:
        from sklearn.decomposition import LatentDirichletAllocation
        from sklearn.feature_extraction.text import CountVectorizer

        how = settings or TopicSettings()
        if not any(map(content_words, texts)):
            raise ElqError(f"the {len(texts)} texts have no words from which topics could be learned: give texts with words")
        self._counter = CountVectorizer(analyzer=content_words, max_features=VOCABULARY)
        self._model = LatentDirichletAllocation(
            how.topics,
            learning_method="online",
            max_iter=how.passes,
            batch_size=BATCH,
            max_doc_update_iter=STEPS,
            random_state=how.seed,
        ).fit(self._counter.fit_transform(texts))

    @classmethod
    def of_catalogue(cls, catalogue: Catalogue, settings: TopicSettings | None = None) -> "Topics":
        """Topics of the texts of a catalogue's entities."""
        how = settings or TopicSettings()
        rows = np.setdiff1d(np.arange(len(catalogue)), np.array(sorted(catalogue.removed), np.int64))  # (N,)
        drawn = np.random.default_rng(how.seed).permutation(rows)[: how.entities]
        return cls([ABOUT(entity) for entity in catalogue.records(drawn.tolist()).values()], how)

    def __call__(self, texts: Sequence[str]) -> Array:
        """The topics of n texts, (n, Z), each row of which sums to 1. A text without a known word has all topics alike."""
        if not texts:
            return np.zeros((0, self._model.n_components))
        return np.asarray(self._model.transform(self._counter.transform(texts)))  # (n, Z)

    def distances(self, contexts: Sequence[str], candidates: Sequence[Sequence[Entity]]) -> Array:
        """How far the topics of Q contexts are from the nearest of their candidates: min KL(context ‖ entity), (Q,) in nats.

        Args:
            contexts: the text around each mention.
            candidates: the candidates of each mention; where there is none, the distance is ∞.
        """
        known = {entity.id: entity for of_mention in candidates for entity in of_mention}
        place = {identity: number for number, identity in enumerate(known)}
        entities, texts = self([*map(ABOUT, known.values())]), self(contexts)  # (E, Z), (Q, Z)
        least = np.full(len(texts), np.inf)  # (Q,)
        for number, of_mention in enumerate(candidates):
            if of_mention:
                near = entities[[place[entity.id] for entity in of_mention]]  # (K, Z)
                least[number] = kl_divergence(texts[number], near).min()
        return least
