"""Mistakes in settings: the parser's message about an unknown key → one sentence with near names."""

import dataclasses
import difflib
import importlib
import re
from collections.abc import Callable, Sequence

LIST_ALL = "`elq fit --help_all` lists the settings"
IN_GROUP = re.compile(r"Group '(?:fit\.|validate\.|test\.)?(?P<place>[\w.]+)' does not accept option '(?P<key>[^']+)'")
IN_RECORD = re.compile(r"class_path '(?P<kind>[\w.]+)': Option '(?P<key>[^']+)' is not accepted")
OUTSIDE = re.compile(r"(?:Option '|unrecognized arguments: --)(?P<key>[\w.]+)")
PLACE = re.compile(r'Parser key "(?:fit\.|validate\.|test\.)?(?P<place>[\w.]+)"')


def explain(message: str, known: Callable[[], Sequence[str]]) -> str:
    """One sentence for a message of the parser.

    Args:
        message: what the parser said.
        known: gives all dotted keys; asked only for an unknown one.
    """
    message = " ".join(message.split())
    if record := IN_RECORD.search(message):
        place = PLACE.search(message)
        names = _fields(record["kind"])
        return _unknown(f"{place['place']}: {record['key']}" if place else record["key"], record["key"], names)
    if group := IN_GROUP.search(message):
        key = f"{group['place']}.{group['key']}"
        return _unknown(key, key, known())
    if outside := OUTSIDE.search(message):
        return _unknown(outside["key"], outside["key"], known())
    return f"{message} ({LIST_ALL})"


def _unknown(shown: str, key: str, names: Sequence[str]) -> str:
    last = key.rpartition(".")[2]
    near = [name for name in names if name.rpartition(".")[2] == last] + difflib.get_close_matches(key, names, n=3, cutoff=0.8)
    hint = f": did you mean {' or '.join(dict.fromkeys(near))}?" if near else ", and none has a name like it"
    return f"{shown} is no setting{hint} ({LIST_ALL})"


def _fields(kind: str) -> list[str]:
    """Names of the fields of a record of ours, by its full name."""
    module, _, name = kind.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    return [field.name for field in dataclasses.fields(found)] if dataclasses.is_dataclass(found) else []
