"""The options of an index kind: a dataclass, and how its values are checked."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elq.errors import ElqError

Value = int | float | str
WANTED: dict[type, str] = {int: "a whole number", float: "a number", str: "a text"}


def option(default: Value, meaning: str, *, least: float = -math.inf, most: float = math.inf) -> Any:
    """Declare a field of an options class.

    Args:
        default: the value of the option if none is chosen. Its type is the type of the option.
        meaning: a phrase that explains the option in `elq build --help`.
        least, most: the limits of a number.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options class of a kind without options."""


def defaults_of(options: type[Any]) -> dict[str, object]:
    """The names of all options and their defaults.

    >>> defaults_of(NoOptions)
    {}
    """
    return {field.name: field.default for field in dataclasses.fields(options)}


def list_options(options: type[Any], *, meanings: bool = False) -> str:
    """The options and their defaults as one phrase; with ``meanings``, the meaning of each follows in brackets.

    >>> list_options(NoOptions)
    'no options'
    """
    said = []
    for field in dataclasses.fields(options):
        meaning = field.metadata.get("meaning") if meanings else None
        said.append(f"{field.name}={field.default}" + (f" ({meaning})" if meaning else ""))
    return ", ".join(said) or "no options"


def chosen_options(kind: str, options: type[Any], chosen: Mapping[str, object]) -> dict[str, Value]:
    """Check the chosen options, and convert them to their types. A number may be a text, as it is on the command line.

    Args:
        kind: the name of the index kind, for messages.
        options: the options class of the kind.
        chosen: name → value; the other options have their defaults.

    Raises:
        ElqError: an option is unknown, or its value has another type or is outside its limits.
    """
    if not isinstance(chosen, Mapping):
        raise ElqError(f"index_options is {chosen!r}, but must be a mapping from options to values: {_remedy(kind, options)}")
    fields = {field.name: field for field in dataclasses.fields(options)}
    values = {}
    for name, value in chosen.items():
        if name not in fields:
            raise ElqError(f"index_options names {name!r}, which is unknown: {_remedy(kind, options)}")
        field = fields[name]
        typed = _typed(value, type(field.default))
        least, most = (field.metadata.get(limit, bound) for limit, bound in (("least", -math.inf), ("most", math.inf)))
        if typed is None or (not isinstance(typed, str) and not least <= typed <= most):
            wanted = WANTED[type(field.default)] + _limits(least, most)
            raise ElqError(f"index_options has {name} {value!r}, but it must be {wanted}: {_remedy(kind, options)}")
        values[name] = typed
    options(**values)  # the options class may check more in its __post_init__
    return values


def _limits(least: float, most: float) -> str:
    """The limits of a number in words.

    >>> _limits(2, 1024), _limits(1, math.inf), _limits(-math.inf, 0.5), _limits(-math.inf, math.inf)
    (' from 2 to 1024', ' of at least 1', ' of at most 0.5', '')
    """
    if math.isfinite(least) and math.isfinite(most):
        return f" from {least} to {most}"
    if math.isfinite(least):
        return f" of at least {least}"
    return f" of at most {most}" if math.isfinite(most) else ""


def _remedy(kind: str, options: type[Any]) -> str:
    return f"the {kind} index has {list_options(options)}"


def _typed(value: object, wanted: type) -> Value | None:
    """Convert a value to the wanted type; None if it cannot be converted or is not a finite number."""
    if wanted is str or isinstance(value, bool) or not isinstance(value, int | float | str):
        return value if wanted is str and isinstance(value, str) else None
    if wanted is int and isinstance(value, float):
        return None
    try:
        number: Value = wanted(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(float(number)) else None
