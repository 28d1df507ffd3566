"""The settings that matter, a line each, for the short help. Names, types, defaults and texts are the training parser's own."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from elq.training.parser import settings_parser

SHOWN = (
    *("data.catalogue", "data.entities", "data.train", "data.dev", "data.dev_templates", "data.test", "data.batch_size"),
    *("model.encoder", "model.max_span_tokens", "model.names", "model.prior", "model.nil", "model.loss"),
    *("model.hard_negatives", "model.lr_encoder", "model.lr_heads", "model.score_mode", "model.candidates", "model.threshold"),
    *("trainer.max_epochs", "early_stopping.patience", "seed_everything"),
)
WIDTH, DEFAULT = 128, 44  # characters of a line, and of a default in it
MEANT = {
    "fit": "train",
    "validate": "measure a checkpoint on the development questions",
    "test": "measure a checkpoint on the questions of --data.test FILE",
}
EPOCHS = "Where nobody gives trainer.max_epochs, it is the sum of the stages' epochs."


def setting_lines(values: Mapping[str, Any] | None = None, sign: str = "") -> list[str]:
    """A line for each setting that matters: key, type, default, and what it is.

    Args:
        values: dotted key → default, where a config has one.
        sign: before the key, such as ``--``.
    """
    parser = settings_parser()
    actions = {action.dest: action for action in parser._actions}
    lines = []
    for key in SHOWN:
        action, default = actions[key], parser.get_default(key)
        if values is not None and values.get(key) is not None:
            default = values[key]
        about = re.split(r"[.;](?:\s|$)", " ".join(str(action.help or "").replace("``", "").split()))[0]
        shown = "" if default is None else " = " + textwrap.shorten(_plain(default), DEFAULT, placeholder=" …")
        line = f"  {sign + key + shown:42} {_kind(getattr(action, '_typehint', None)) + ':':13} "
        lines.append(line + textwrap.shorten(about, max(WIDTH - len(line), 24), placeholder=" …"))
    return lines


def lightning_help(command: str) -> str:
    """What ``elq fit --help`` says, and so validate and test."""
    usage = f"usage: elq {command} --config runs/…/config.yaml [--ckpt_path FILE] [--KEY VALUE …]"
    about = f"{MEANT.get(command, command)}, from the config file that a training left; options change single values"
    lines = [usage, "", about, "", "settings that matter:", *setting_lines(sign="--"), "", EPOCHS]
    return "\n".join([*lines, f"`elq {command} --help_all` lists every setting; docs/configuration.md says more."])


def _kind(hint: Any) -> str:
    """A type in few characters: ``str | None``, ``list[Stage]``."""
    text = hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)
    text = re.sub(r"\b(?:[a-z_]+\.)+", "", text)
    return re.sub(r"Optional\[(.*)\]", r"\1 | None", re.sub(r"Union\[(.*), (.*)\]", r"\1 | \2", text))


def _plain(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
