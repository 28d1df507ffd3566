"""``elq train``: hydra composes conf/, the training parser checks and builds, Lightning fits."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from elq.errors import ElqError

# ${elq:FILE} in conf/ is a file of the package itself
OmegaConf.register_new_resolver("elq", lambda name: str(Path(__file__).resolve().parent.parent / name), replace=True)
HERE = Path(__file__).resolve().parent.parent
CONF = HERE / "conf" if (HERE / "conf").is_dir() else HERE.parent / "conf"  # in the wheel, or in a checkout


def plain_values(config: DictConfig) -> dict[str, Any]:
    """The composed config as plain values for the training parser, without hydra's own keys.

    Raises:
        ElqError: a value that an experiment must give is missing.
    """
    if missing := sorted(OmegaConf.missing_keys(config)):
        known = ", ".join(sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))
        raise ElqError(f"{', '.join(missing)} has no value: choose an experiment with +experiment=NAME ({known}), or set it")
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    values.pop("hydra", None)
    return {str(key): value for key, value in values.items()}


def fit(values: dict[str, Any], folder: str | Path) -> dict[str, float]:
    """Train from plain values and return the metrics of the exported model.

    Args:
        values: the training parser's keys; with a ``ckpt_path`` that run goes on, in its own run folder.
        folder: the run folder of a new run.

    Raises:
        ElqError: bad values, or data that cannot be used.
    """
    from elq.training.parser import ELQCLI

    checkpoint = values.get("ckpt_path")
    if checkpoint is not None:
        if not Path(checkpoint).is_file():
            raise ElqError(f"ckpt_path {checkpoint} does not exist: give runs/…/checkpoints/last.ckpt of the run to go on with")
        folder = Path(checkpoint).resolve().parent.parent  # elsewhere the best epoch so far would be forgotten
    values = {**values, "trainer": {**values.get("trainer", {}), "default_root_dir": str(folder)}}
    cli = ELQCLI({key: value for key, value in values.items() if key != "ckpt_path"}, run=False)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint)
    cli.after_fit()
    if cli.trainer.is_global_zero:
        _point_latest(Path(folder))
    return cli.metrics


def _point_latest(folder: Path) -> None:
    """``latest`` beside the run folder leads to it, for predict.py."""
    temporary = folder.parent / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name)
    temporary.replace(folder.parent / "latest")


def help_text() -> str:
    """What ``elq train --help`` says: the experiments with their first line, and how to change a value."""
    lines = ["usage: elq train +experiment=NAME [trainer=NAME] [KEY=VALUE …]", "", "experiments:"]
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        about = next(
            (line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ") and "@" not in line), ""
        )
        lines.append(f"  {path.stem:14} {about.removeprefix('# ')}")
    lines += [f"trainers: {', '.join(sorted(path.stem for path in (CONF / 'trainer').glob('*.yaml')))} (default: cpu)", ""]
    lines += ["A value that a YAML names is changed by data.batch_size=32, one that none names by +model.lr_heads=5e-4;"]
    lines += [
        "`elq fit --help` lists all values. --cfg job shows the composed config, --config-dir DIR adds a folder of your own."
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Compose the config and train."""
    if {"--help", "-h"} & {*arguments}:
        print(help_text())
        sys.exit(0)
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException

    from elq.training.renamed import renamed_arguments

    command, os.environ["HYDRA_FULL_ERROR"] = sys.argv[:], "1"  # hydra hands its errors on instead of printing them
    failures: list[ElqError] = []  # kept from hydra, which would announce them

    def task(config: DictConfig) -> None:
        sys.argv[:] = command  # a further DDP process is started with the command line of this one
        try:
            fit(plain_values(config), HydraConfig.get().runtime.output_dir)
        except ElqError as error:
            failures.append(error)

    sys.argv[1:] = renamed_arguments(arguments)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ElqError(" ".join(str(error).split())) from None
    for failure in failures:
        raise failure
