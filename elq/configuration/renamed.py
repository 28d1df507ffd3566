"""Renamed: replaces old names of settings, which work for one more release.

They are replaced in plain values, in arguments, and in the files that arguments name.
"""

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger(__name__)

RENAMED = {  # old key → new key, without the numbers of list items
    "model.candidates": "model.loss",  # only if its value is a word; a number is K, which keeps the name
    "model.retrieved": "model.candidates",
    "data.dev_bootstrap": "data.dev_templates",
    "data.train.bootstrap": "data.train.templates",
    "data.train.knobs.partial": "data.train.knobs.name_part",
}
BY_VALUE = "model.candidates"
OVERRIDE = re.compile(r"(?P<sign>\+{0,2}|~|--)(?P<key>[\w.]+)(?:=(?P<value>.*))?", re.DOTALL)
FILES = {"config": "", "model": "model", "data": "data", "data.train": "data.train"}  # option → where its values belong


def new_name(key: str, value: object) -> str | None:
    """The new name of a dotted key with this value; None if the key has no new name.

    >>> new_name("data.train.0.bootstrap", 8), new_name("model.candidates", "sampled"), new_name("model.candidates", 10)
    ('data.train.0.templates', 'model.loss', None)
    """
    new = RENAMED.get(re.sub(r"\.\d+(?=\.)", "", key))
    if new is None or (key == BY_VALUE and not (isinstance(value, str) and value.strip("'\"").isalpha())):
        return None
    return f"{key.rpartition('.')[0]}.{new.rpartition('.')[2]}"


def renamed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with new names instead of old ones. Every old name is logged.

    If both names are given, the value of the old name is used.
    """
    found: dict[str, str] = {}
    changed = _renamed(values, "", found)
    for old, new in found.items():
        _tell(old, new)
    assert isinstance(changed, dict)
    return changed


def renamed_hyperparameters(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the model in a Lightning checkpoint, with new names."""
    given = {key: value for key, value in checkpoint.get("hyper_parameters", {}).items() if key != "_instantiator"}
    settings: dict[str, Any] = renamed_values({"model": given})["model"]
    return settings


def renamed_arguments(arguments: Sequence[str]) -> list[str]:
    """Arguments of a command line with new names, as ``key=value`` for hydra, ``--key value`` or ``--key=value``.

    If an option gives a YAML file or YAML text with old names, its value becomes the YAML text with the new names.
    """
    found: dict[str, str] = {}
    changed = list(arguments)
    for place, argument in enumerate(arguments):
        match = OVERRIDE.fullmatch("--config" if argument == "-c" else argument)
        if match is None:
            continue
        sign, key, value = match.group("sign"), match.group("key"), match.group("value")
        apart = value is None and sign == "--" and place + 1 < len(arguments)  # the value is an argument of its own
        value = arguments[place + 1] if apart else value
        if sign == "--" and key in FILES and value is not None:
            value = _renamed_text(value, FILES[key], found)
        elif (new := new_name(key, value)) is not None:
            found[key], key = new, new
        if apart:
            changed[place : place + 2] = [f"{sign}{key}", str(value)]
        elif value is not None:
            changed[place] = f"{sign}{key}={value}"
    for old, new in found.items():
        _tell(old, new)
    return changed


def _renamed(value: Any, path: str, found: dict[str, str]) -> Any:
    """A value at a dotted path with new names for all keys below it. Old and new names are added to ``found``."""
    if isinstance(value, list | tuple):
        return [_renamed(item, path, found) for item in value]
    if not isinstance(value, Mapping):
        return value
    changed, old = {}, {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else str(key)
        new = new_name(where, item)
        if new is None:
            changed[key] = _renamed(item, where, found)
        else:
            found[where] = new
            old[new.rpartition(".")[2]] = item
    return changed | old


def _renamed_text(text: str, path: str, found: dict[str, str]) -> str:
    """A YAML file or text with the values below a dotted path; YAML text with the new names if it has old ones."""
    try:
        content = Path(text).read_text(encoding="utf-8") if Path(text).is_file() else text
        values = yaml.safe_load(content)
    except (OSError, ValueError, yaml.YAMLError):
        return text  # the parser will report the error
    seen: dict[str, str] = {}
    changed = _renamed(values, path, seen)
    found |= seen
    return str(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)) if seen else text


@functools.cache  # report an old name only once, though the config and the checkpoint of a run both have it
def _tell(old: str, new: str) -> None:
    log.warning(
        "the setting %s is now called %s: write the new name, because the old one works for this release only", old, new
    )
