"""``elq train``: hydra composes conf/, the training parser checks and builds, Lightning fits."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from elq.commands import speak

HERE = Path(__file__).resolve().parent.parent
CONF = HERE / "conf" if (HERE / "conf").is_dir() else HERE.parent / "conf"  # in the wheel, or in a checkout


def plain_values(config: DictConfig) -> dict[str, Any]:
    """The composed config as plain values for the training parser, without hydra's own keys."""
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    values.pop("hydra", None)
    return {str(key): value for key, value in values.items()}


def fit(values: dict[str, Any], folder: str | Path) -> dict[str, float]:
    """Train from plain values into a run folder, and return the metrics of the exported model."""
    from elq.cli import ELQCLI

    values = {**values, "trainer": {**values.get("trainer", {}), "default_root_dir": str(folder)}}
    checkpoint = values.pop("ckpt_path", None)
    cli = ELQCLI(values, run=False)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint)
    cli.after_fit()
    _point_latest(Path(folder))
    return cli.metrics


def _point_latest(folder: Path) -> None:
    """``latest`` beside the run folder leads to it, for predict.py."""
    temporary = folder.parent / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name)
    temporary.replace(folder.parent / "latest")


def main(arguments: Sequence[str] | None = None) -> None:
    """Compose the config and train."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    if arguments is not None:
        sys.argv[1:] = list(arguments)

    def task(config: DictConfig) -> None:
        if code := speak(lambda: fit(plain_values(config), HydraConfig.get().runtime.output_dir)):
            sys.exit(code)

    hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(task)()
