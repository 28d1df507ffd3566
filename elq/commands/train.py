"""``elq train``: trains a linker with the settings in conf/ and the overrides.

Hydra composes the config, the training parser checks it and builds the objects, and Lightning runs the training.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from elq.commands.tasks import LINKER, cli_of, without_task
from elq.configuration.data_folder import public_file
from elq.configuration.overrides import normalised
from elq.configuration.renamed import renamed_arguments
from elq.errors import ElqError

log = logging.getLogger(__name__)

# ${elq:FILE} in conf/ is a file of the package itself
OmegaConf.register_new_resolver("public", public_file, replace=True)  # ${public:NAME} is a file of `elq download webqsp`
OmegaConf.register_new_resolver("elq", lambda name: str(Path(__file__).resolve().parent.parent / name), replace=True)
HERE = Path(__file__).resolve().parent.parent
LATEST = "latest"  # the link beside the run folders that points to the last one
CONF = HERE / "conf" if (HERE / "conf").is_dir() else HERE.parent / "conf"  # in the wheel, or in a checkout


def plain_values(config: DictConfig) -> dict[str, Any]:
    """The values of the composed config for the training parser, without the keys of hydra itself.

    Raises:
        ElqError: a value that an experiment must give is missing.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if "data.train" in missing:
        raise ElqError(f"data.train has no value: choose an experiment with experiment=NAME ({', '.join(names('experiment'))})")
    if missing:
        raise ElqError(f"{missing[0]} is missing: give the path of a file, as {missing[0]}=FILE")
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    values.pop("hydra", None)
    return {str(key): value for key, value in values.items()}


def names(group: str) -> list[str]:
    """The names that can be chosen in a group of conf/."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def fit(values: dict[str, Any], folder: str | Path) -> dict[str, float]:
    """Train from plain values and return the metrics of the exported model; none if there are no questions to train on.

    Args:
        values: values for the training parser. With a ``ckpt_path``, the run of that checkpoint resumes in its own run folder.
        folder: the run folder of a new run.

    Raises:
        ElqError: a value is wrong, or the data cannot be used.
    """
    from elq.training.untrained import has_nothing_to_train, make_untrained

    task, values = without_task(values)
    parser = cli_of(task)
    if task == LINKER and has_nothing_to_train(values):
        make_untrained(values, Path(folder))
        _point_latest(Path(folder))
        return {}
    checkpoint = values.get("ckpt_path")
    if checkpoint is not None:
        if not Path(checkpoint).is_file():
            raise ElqError(
                f"ckpt_path {checkpoint} does not exist: give runs/…/checkpoints/last.ckpt of the run that you want to resume"
            )
        folder = Path(checkpoint).resolve().parent.parent  # in another folder, the best epoch so far would be lost
        log.info("the run resumes in its own folder %s", folder)
    values = {**values, "trainer": {**values.get("trainer", {}), "default_root_dir": str(folder)}}
    cli = parser({key: value for key, value in values.items() if key != "ckpt_path"}, run=False)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint)
    cli.after_fit()
    if cli.trainer.is_global_zero:
        _point_latest(Path(folder))
    metrics: dict[str, float] = cli.metrics
    return metrics


def _point_latest(folder: Path) -> None:
    """Make the link ``latest`` beside the run folder point to it; predict.py reads this link.

    A folder of this name, such as the run folder itself, stays as it is.
    """
    latest = folder.parent / LATEST
    if latest.is_dir() and not latest.is_symlink():
        if folder.name != LATEST:
            log.warning(
                "%s is a folder, so no link to this run could be made: rename it, and later runs will have the link", latest
            )
        return
    temporary = folder.parent / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name)
    temporary.replace(latest)


def help_text() -> str:
    """The text of ``elq train --help``: the experiments with their first lines, the trainers, and the main settings."""
    from elq.training.overview import EPOCHS, SHOWN, setting_lines

    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composed = hydra.compose("train")
    flat = {key: OmegaConf.select(composed, key, throw_on_missing=False) for key in SHOWN}
    lines = ["usage: elq train experiment=NAME [trainer=NAME] [KEY=VALUE …]", "", "experiments:"]
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        about = next(
            (line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ") and "@" not in line), ""
        )
        lines.append(f"  {path.stem:14} {about.removeprefix('# ')}")
    lines += ["", f"trainers: {', '.join(names('trainer'))} (default: cpu)", ""]
    lines += ["main settings:", *setting_lines(flat), "", EPOCHS]
    lines += ["`elq fit --help_all` lists every setting, `elq train experiment=NAME --cfg job` shows an experiment's values,"]
    lines += ["--config-dir DIR adds your own folder with experiment/NAME.yaml, and hydra.run.dir=DIR sets the run folder."]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Compose the config and train a linker."""
    if {"--help", "-h"} & {*arguments}:
        print(help_text())
        sys.exit(0)
    command, os.environ["HYDRA_FULL_ERROR"] = sys.argv[:], "1"  # hydra raises its errors instead of printing them
    failures: list[ElqError] = []  # kept here, because hydra would print them itself

    def task(config: DictConfig) -> None:
        sys.argv[:] = command  # DDP starts further processes with this command line
        hydra_config = HydraConfig.get()
        if config.ckpt_path is not None and (given := [o for o in hydra_config.overrides.hydra if "hydra.run.dir=" in o]):
            log.warning("%s is not used, because ckpt_path resumes a run in the folder of that run", given[-1])
        try:
            fit(plain_values(config), hydra_config.runtime.output_dir)
        except ElqError as error:
            failures.append(error)

    sys.argv[1:] = normalised(renamed_arguments(arguments), CONF)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ElqError(" ".join(str(error).split())) from None
    finally:
        HydraConfig.instance().cfg = None  # a later training in this process may be started in another way
    for failure in failures:
        raise failure
