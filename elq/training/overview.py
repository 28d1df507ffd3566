"""Overview: one line for each main setting, for the short help.

Names, types, defaults and texts come from the training parser.
"""

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
    "test": "measure a checkpoint on the questions of a file, given as --data.test FILE",
}
EPOCHS = "If trainer.max_epochs is not given, it is the sum of the stages' epochs."


def setting_lines(values: Mapping[str, Any] | None = None, sign: str = "") -> list[str]:
    """One line for each main setting: key, default, type and meaning.

    Args:
        values: dotted key → default of a composed config, which replaces the parser's own default.
        sign: text before the key, such as ``--``.
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
    """The text of ``elq fit --help``, ``elq validate --help`` or ``elq test --help``."""
    usage = f"usage: elq {command} --config runs/…/config.yaml [--ckpt_path FILE] [--KEY VALUE …]"
    about = f"{MEANT.get(command, command)}, with the config file of a run folder; options change single values"
    lines = [usage, "", about, "", "main settings:", *setting_lines(sign="--"), "", EPOCHS]
    return "\n".join([*lines, f"`elq {command} --help_all` lists every setting; docs/configuration.md explains them."])


def _kind(hint: Any) -> str:
    """A short text for a type, such as ``str | None`` or ``list[Stage]``."""
    text = hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)
    text = re.sub(r"\b(?:[a-z_]+\.)+", "", text)
    return re.sub(r"Optional\[(.*)\]", r"\1 | None", re.sub(r"Union\[(.*), (.*)\]", r"\1 | \2", text))


def _plain(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
