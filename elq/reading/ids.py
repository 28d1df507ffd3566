"""Ids: one rule for the ids of entities and questions in every file."""

from elq.errors import ElqError


def is_empty(value: object) -> bool:
    """Whether a value is missing: null, or NaN, which some readers give for an empty cell."""
    return value is None or (isinstance(value, float) and value != value)


def id_text(value: object, name: str = "id") -> str:
    """The text of an id: a text without the blanks around it, or the decimal text of a whole number; "" if it is missing.

    Args:
        value: the value in the file.
        name: what the message calls it.

    Raises:
        ElqError: the value is something else, such as a list.

    >>> id_text(" Q90 "), id_text(7), id_text(None)
    ('Q90', '7', '')
    """
    if is_empty(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ElqError(f"{name} is {value!r}, but must be a string or a whole number: correct it")
    return str(value).strip()
