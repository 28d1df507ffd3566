"""Overrides: rewrites the overrides of a user in the form that hydra needs.

The user need not write ``+`` before a key, or quotes around a path that has unusual characters.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from elq.errors import ElqError

OVERRIDE = re.compile(r"(?P<sign>\+{0,2})(?P<key>[\w.]+)=(?P<value>.*)", re.DOTALL)  # ~key does not match and stays as it is
WITH_VALUE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p", "--cfg", "-c")
FOLDERS = ("--config-dir", "-cd")


def normalised(arguments: Sequence[str], conf: Path) -> list[str]:
    """The arguments in the form that hydra needs, with or without a ``+`` from the user.

    A config group gets the ``+`` if the defaults lack the group, as in ``+experiment=NAME``. Any other key is added or
    overridden. A value that hydra cannot read gets quotes.

    Args:
        arguments: the arguments of the command line.
        conf: the config folder, whose train.yaml has the defaults.

    Raises:
        ElqError: an argument is no setting of the form KEY=VALUE.
    """
    defaults = yaml.safe_load((conf / "train.yaml").read_text(encoding="utf-8"))["defaults"]
    chosen = {group for item in defaults if isinstance(item, dict) for group in item}
    groups = {path.name for folder in (conf, *_own_folders(arguments)) for path in folder.glob("*") if path.is_dir()}
    sweeps = bool({"-m", "--multirun"} & {*arguments})
    changed = []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        match = None if before in WITH_VALUE else OVERRIDE.fullmatch(argument)
        if match is None:
            if before not in WITH_VALUE:
                _refuse_shape(before, argument)
            changed.append(argument)
            continue
        sign, key, value = match.group("sign"), match.group("key"), match.group("value")
        if key in groups | chosen:
            changed.append(f"{'' if key in chosen else '+'}{key}={value}" if sign != "++" else argument)
        else:
            sign = sign if key.startswith("hydra.") else "++"
            changed.append(f"{sign}{key}={readable(key, value, sweeps=sweeps)}")
    return changed


def _refuse_shape(before: str, argument: str) -> None:
    """Refuse a part of a value that the shell has cut at a blank, and a setting with dashes."""
    if argument.startswith("-") and "." in argument.partition("=")[0]:
        raise ElqError(f"{argument} begins with dashes, but a setting has the form KEY=VALUE: write {argument.lstrip('-')}")
    if "=" in argument or argument.startswith(("-", "~")) or before == "--info":  # whose value may be left out
        return
    whole = f"{before} {argument}" if re.match(r"[\w+]+\.[\w.]+=", before) else "data.catalogue=my file.csv"
    raise ElqError(
        f"{argument!r} is not a setting of the form KEY=VALUE: if it belongs to a value with blanks, put the whole setting"
        f" between quotes, as in {whole!r}"
    )


def _own_folders(arguments: Sequence[str]) -> list[Path]:
    """The folders that ``--config-dir`` names."""
    apart = [after for flag, after in itertools.pairwise(arguments) if flag in FOLDERS]
    joined = [argument.partition("=")[2] for argument in arguments if argument.partition("=")[0] in FOLDERS]
    return [Path(folder) for folder in (*apart, *joined) if folder]


def readable(key: str, value: str, *, sweeps: bool = False) -> str:
    """A value that hydra reads as one text or number.

    It gets quotes if hydra would otherwise refuse it, or would read its commas as several values.

    >>> readable("data.dev", "my questions (2024).jsonl"), readable("model.lr_heads", "1e-3")
    ("'my questions (2024).jsonl'", '1e-3')
    """
    try:
        if sweeps or not OverridesParser.create().parse_override(f"{key}={value}").is_sweep_override():
            return value
    except HydraException:
        pass
    if value[:1] in ("[", "{"):
        try:
            return hydra_text(yaml.safe_load(value))
        except yaml.YAMLError:
            pass  # it is not a list, but it may be a path
    return quoted(value)


def hydra_text(value: Any) -> str:
    """A plain value in the syntax of hydra, with quotes around every text.

    >>> hydra_text([{"file": "it's ä.jsonl", "repeat": 2, "partial": True}])
    "[{file: 'it\\\\'s ä.jsonl', repeat: 2, partial: true}]"
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {hydra_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(hydra_text, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def quoted(text: str) -> str:
    """A text in single quotes. Only backslashes before a quote are doubled, because hydra reads no others as escapes."""
    return "'" + re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text) + "'"
