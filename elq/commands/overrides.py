"""Overrides as a user writes them → as hydra wants them: no thought of ``+``, and no quotes around an unusual path."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

OVERRIDE = re.compile(r"(?P<sign>\+{0,2})(?P<key>[\w.]+)=(?P<value>.*)", re.DOTALL)  # ~key is left alone
WITH_VALUE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p", "--cfg", "-c")
FOLDERS = ("--config-dir", "-cd")


def normalised(arguments: Sequence[str], conf: Path) -> list[str]:
    """Hydra's arguments, whether ``+`` was written or not, and with quotes around the values that hydra cannot read.

    A config group gets the ``+`` if the defaults lack it, as ``+experiment=NAME``; any other key is added or overridden.

    Args:
        arguments: of the command line.
        conf: the config folder; its train.yaml has the defaults.
    """
    defaults = yaml.safe_load((conf / "train.yaml").read_text(encoding="utf-8"))["defaults"]
    chosen = {group for item in defaults if isinstance(item, dict) for group in item}
    groups = {path.name for folder in (conf, *_own_folders(arguments)) for path in folder.glob("*") if path.is_dir()}
    sweeps = bool({"-m", "--multirun"} & {*arguments})
    changed = []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        match = None if before in WITH_VALUE else OVERRIDE.fullmatch(argument)
        if match is None:
            changed.append(argument)
            continue
        sign, key, value = match.group("sign"), match.group("key"), match.group("value")
        if key in groups | chosen:
            changed.append(f"{'' if key in chosen else '+'}{key}={value}" if sign != "++" else argument)
        else:
            sign = sign if key.startswith("hydra.") else "++"
            changed.append(f"{sign}{key}={readable(key, value, sweeps=sweeps)}")
    return changed


def _own_folders(arguments: Sequence[str]) -> list[Path]:
    """The folders that ``--config-dir`` names."""
    apart = [after for flag, after in itertools.pairwise(arguments) if flag in FOLDERS]
    joined = [argument.partition("=")[2] for argument in arguments if argument.partition("=")[0] in FOLDERS]
    return [Path(folder) for folder in (*apart, *joined) if folder]


def readable(key: str, value: str, *, sweeps: bool = False) -> str:
    """A value as hydra reads it: itself, or in quotes where hydra would refuse it or take its commas for several values.

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
            pass  # no list, but perhaps a path
    return quoted(value)


def hydra_text(value: Any) -> str:
    """A plain value in hydra's own words, each text in quotes.

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
    """A text in single quotes; of backslashes, only those before a quote count."""
    return "'" + re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text) + "'"
