"""Inputs: checks what a caller gives to a linker, and says in one sentence what is wrong."""

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from os import PathLike, fspath
from reprlib import Repr

from elq.errors import ElqError

SHORT = Repr()
SHORT.maxstring = SHORT.maxother = 60  # characters of a wrong value that a message shows
MOST_TYPE_SCORE_WEIGHT = 1000
KEEP, DROP = CONCEPTS = ("keep", "drop")  # what becomes of links of generic nouns, see elq/linking/concepts.py
TEXTS = "give a string, or a list of strings"


def shown(value: object) -> str:
    """A wrong value as a message shows it: short, and on one line."""
    return " ".join(SHORT.repr(value).split())


def as_texts(texts: object) -> list[str]:
    """The texts of any iterable of strings, in its order: a list, a generator, a set, an array, a column of a data frame.

    The values of a pandas Series are taken in the order in which they stand; its index is not used.

    >>> as_texts(text for text in ("who sang", "who wrote"))
    ['who sang', 'who wrote']

    Raises:
        ElqError: this is no iterable of strings; for a wrong value, the message says its place and the value.
    """
    if isinstance(texts, str):
        raise ElqError(f"several texts are needed here, but a single string is given, {shown(texts)}: give a list, [text]")
    if hasattr(type(texts), "columns"):
        kind = type(texts).__name__
        raise ElqError(f"the texts are a table ({kind}), but must be a list of strings: give one of its columns")
    if isinstance(texts, bytes | bytearray | Mapping) or not isinstance(texts, Iterable):
        raise ElqError(f"the texts are {shown(texts)}, which is no list of strings: {TEXTS}")
    values = getattr(type(texts), "to_pylist", None)  # an Arrow array has scalars of its own
    try:
        found = list(texts if values is None else values(texts))
    except TypeError as error:  # a numpy array without a dimension says that it is iterable
        raise ElqError(f"the texts cannot be read one by one ({error}): {TEXTS}") from None
    for place, text in enumerate(found):
        if not isinstance(text, str):
            raise ElqError(
                f"a question must be a string, but one is {shown(text)} (place {place} of {len(found)}, counted from 0):"
                ' give its text, or "" if it has none'
            )
    return [text if type(text) is str else str(text) for text in found]  # numpy has strings of its own


def check_threshold(threshold: object) -> float:
    """A threshold γ as a float.

    Raises:
        ElqError: it is not a number, is NaN, or is larger than 0.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, Real):
        raise ElqError(f"the threshold is {shown(threshold)}, but must be a number: give a logarithm, such as -2.5")
    if math.isnan(value := float(threshold)):
        raise ElqError("the threshold is nan, but must be a number: give the lowest joint score of a link, at most 0")
    if value > 0:
        raise ElqError(
            f"the threshold is {value:g}, but it is a natural logarithm and at most 0: give a number such as -2.5, or give the"
            " lowest probability of a link as min_probability (--min-probability)"
        )
    return value


def check_probability(probability: object) -> float:
    """A lowest probability as a float.

    Raises:
        ElqError: it is not a number from 0 to 1.
    """
    if isinstance(probability, bool) or not isinstance(probability, Real) or not 0 <= float(probability) <= 1:
        raise ElqError(f"min_probability is {shown(probability)}, but must be a number from 0 to 1: give 0.5, for example")
    return float(probability)


def refuse_thresholds(threshold: object, min_probability: object) -> None:
    """Raise an ElqError if one of them is given, since given mentions are always answered."""
    for name, value in (("threshold", threshold), ("min_probability", min_probability)):
        if value is not None:
            raise ElqError(
                f"mentions are given, and also {name} {shown(value)}, but given mentions are always answered: leave out one of"
                " them, and look at the score or probability of the links"
            )


def check_candidates(candidates: object) -> int:
    """A number of candidates K as an int.

    Raises:
        ElqError: it is not a whole number of at least 1.
    """
    if isinstance(candidates, bool) or not isinstance(candidates, Integral):
        raise ElqError(f"candidates is {shown(candidates)}, but must be a whole number of at least 1: give 10, for example")
    if candidates < 1:
        raise ElqError(f"{candidates} candidates were asked for, but at least 1 is needed: raise the number (--candidates)")
    return int(candidates)


def check_type_score_weight(weight: object, *, types: bool = True) -> float:
    """The weight of types in the score of candidates as a float.

    Args:
        weight: the weight.
        types: whether the model was trained with types.

    Raises:
        ElqError: it is not a number from 0 to 1000, or is not 0 and the model was trained without types.
    """
    allowed = isinstance(weight, Real) and not isinstance(weight, bool)
    if not allowed or not 0 <= weight <= MOST_TYPE_SCORE_WEIGHT:  # type: ignore[operator]
        raise ElqError(
            f"type_score_weight is {shown(weight)}, but must be a number from 0 to {MOST_TYPE_SCORE_WEIGHT}: give 0.5, for"
            " example, or 0 to leave types out of the score"
        )
    if weight and not types:
        raise ElqError(
            f"type_score_weight is {weight}, but the model was trained without types: train with model.types=goedel,"
            " for example, or leave out type_score_weight (--type-score-weight)"
        )
    return float(weight)  # type: ignore[arg-type]


def check_folder(folder: object) -> str:
    """The name of a model folder. Raises ElqError if it is neither a string nor a path."""
    if not isinstance(folder, str | PathLike):
        raise ElqError(
            f"the model is {shown(folder)}, but must be the path of a model folder or its name on the Hub: give a string,"
            ' such as "runs/starter/latest/model"'
        )
    return fspath(folder)


def read_threshold(text: str) -> float:
    """The value of ``--threshold``. Raises ElqError if it is not a number of at most 0."""
    return check_threshold(_number(text, "--threshold", "a logarithm of at most 0, such as -2.5"))


def read_probability(text: str) -> float:
    """The value of ``--min-probability``. Raises ElqError if it is not a number from 0 to 1."""
    return check_probability(_number(text, "--min-probability", "a number from 0 to 1, such as 0.5"))


def read_candidates(text: str) -> int:
    """The value of ``--candidates``. Raises ElqError if it is not a whole number of at least 1."""
    value = _number(text, "--candidates", "a whole number, such as 10")
    return check_candidates(int(value) if value.is_integer() and text.strip().isdigit() else value)


def read_type_score_weight(text: str) -> float:
    """The value of ``--type-score-weight``. Raises ElqError if it is not a number from 0 to 1000."""
    return check_type_score_weight(_number(text, "--type-score-weight", "a number of at least 0, such as 0.5"))


def _number(text: str, option: str, wanted: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ElqError(f"{option} is {text!r}, but must be a number: give {wanted}") from None
