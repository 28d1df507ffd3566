"""The prior: how likely an entity is before the question is read (its fame).

Every feature of the prior adds columns to the entity table. The model learns a weight for each column, and these weights are in
the same columns of every mention vector. So the prior is part of the inner product, and exact search works without a change.
What divides or links entities by their likeness, such as an HNSW graph, must not see these columns: it would group entities of
equal fame, while a mention vector asks for a meaning first.
"""

import math
from collections.abc import Sequence

import numpy as np

from elq.errors import ElqError
from elq.tensors import Array
from elq.types import QID, Entity

PRIORS = ("qid", "popularity")
COLUMNS = 2  # columns of each feature: its value, and whether the value is unknown
# What trained models add for these columns, divided by the length of their mention vectors (mean of two models)
TYPICAL = {"qid": (0.048, 0.021), "popularity": (-0.049, -0.05)}
UNKNOWN = (0.0, 1.0)  # the columns of a feature whose value is unknown
LARGEST = math.log10(200_000_000)  # a number larger than all current Wikidata ids


def prior_columns(features: Sequence[str]) -> int:
    """P, the number of columns of these features.

    Raises:
        ElqError: a feature is unknown.
    """
    for feature in features:
        if feature not in PRIORS:
            raise ElqError(f"prior names the feature {feature!r}, but the features are {', '.join(PRIORS)}: use only these")
    return COLUMNS * len(features)


def typical_weights(features: Sequence[str]) -> list[float]:
    """The P weights that a trained model may have for the columns of these features, for mention vectors of length 1."""
    return [weight for feature in features for weight in TYPICAL[feature]]


def prior_of(entity: Entity, features: Sequence[str]) -> list[float]:
    """The P columns of an entity: for each feature a value from 0 (obscure) to about 1 (famous), then 1 if it is unknown.

    The Wikidata id is the better feature: famous entities have low ids, since their entries were made first, while the number
    of page views is unknown for most entities.

    >>> [round(value, 2) for value in prior_of(Entity("Q90", "Paris", "Paris"), ("qid", "popularity"))]
    [0.76, 0.0, 0.0, 1.0]
    """
    made: list[float] = []
    for feature in features:
        if feature == "qid":
            match = QID.fullmatch(entity.id)
            value = 1 - math.log10(int(match[1])) / LARGEST if match and int(match[1]) else None
        else:
            value = math.log10(1 + entity.popularity) / 7 if entity.popularity else None
        made += UNKNOWN if value is None else [value, 0.0]
    return made


def with_prior(vectors: Array, entities: Sequence[Entity], features: Sequence[str]) -> Array:
    """Append the P columns of the entities to their vectors (B, D): (B, D + P) fp32."""
    columns = np.array([prior_of(entity, features) for entity in entities], np.float32).reshape(len(vectors), -1)  # (B, P)
    return np.concatenate([vectors, columns], axis=1)  # (B, D + P)
