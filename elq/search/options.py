"""The options of an index kind: a frozen dataclass whose fields have a type, a default and a meaning."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elq.errors import ElqError

Value = int | float | str
WANTED: dict[type, str] = {int: "a whole number", float: "a number", str: "a text"}


def option(default: Value, meaning: str, *, least: float = -math.inf, most: float = math.inf) -> Any:
    """A field of an options class.

    Args:
        default: its value where none is chosen; the type of the option is the type of this value.
        meaning: one phrase for `elq build --help`.
        least, most: the limits of a number.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "least": least, "most": most})


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options of a kind that has none."""


def defaults_of(options: type[Any]) -> dict[str, object]:
    """The names of all options and their defaults.

    >>> defaults_of(NoOptions)
    {}
    """
    return {field.name: field.default for field in dataclasses.fields(options)}


def list_options(options: type[Any], *, meanings: bool = False) -> str:
    """The options with their defaults, in one phrase; with their meanings in brackets where these are asked for.

    >>> list_options(NoOptions)
    'no options'
    """
    said = []
    for field in dataclasses.fields(options):
        meaning = field.metadata.get("meaning") if meanings else None
        said.append(f"{field.name}={field.default}" + (f" ({meaning})" if meaning else ""))
    return ", ".join(said) or "no options"


def chosen_options(kind: str, options: type[Any], chosen: Mapping[str, object]) -> dict[str, Value]:
    """The chosen options in their own types; numbers may come as text, as the command line gives them.

    Args:
        kind: name of the index kind, for messages.
        options: its options class.
        chosen: name → value; an option that is not there keeps its default.

    Raises:
        ElqError: an unknown option, or a value of another type or beyond its limits.
    """
    if not isinstance(chosen, Mapping):
        raise ElqError(f"index_options is {chosen!r}, but must be options and their values: {_remedy(kind, options)}")
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
    options(**values)  # a kind may check more in its __post_init__
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
    """A value in the wanted type; None where it is of another one, or no finite number."""
    if wanted is str or isinstance(value, bool) or not isinstance(value, int | float | str):
        return value if wanted is str and isinstance(value, str) else None
    if wanted is int and isinstance(value, float):
        return None
    try:
        number: Value = wanted(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(float(number)) else None
