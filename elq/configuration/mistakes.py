"""Mistakes: explains the parser's message about a setting in one sentence."""

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
    """One sentence for a message of the parser. For an unknown key, it suggests similar names.

    Args:
        message: the message of the parser.
        known: returns all dotted keys; it is called only for an unknown key.
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
    hint = f": did you mean {' or '.join(dict.fromkeys(near))}?" if near else ", and no setting has a similar name"
    return f"{shown} is not a setting{hint} ({LIST_ALL})"


def _fields(kind: str) -> list[str]:
    """Names of the fields of one of elq's dataclasses, given its full name."""
    module, _, name = kind.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    return [field.name for field in dataclasses.fields(found)] if dataclasses.is_dataclass(found) else []
