"""``elq build``: makes the entities folder of a catalogue file, or with ``--model`` a model folder."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from elq.commands.console import ArgumentParser, add_ray, parse_columns, parse_pairs
from elq.encoding.pretrained import GENERAL
from elq.errors import ElqError
from elq.search.kinds import DEFAULT_INDEX, INDEX_KINDS, describe_options


def parse_options(text: str) -> dict[str, str]:
    """Option → value, from ``links=48,ef_search=256``.

    >>> parse_options("links=48,ef_search=256")
    {'links': '48', 'ef_search': '256'}
    """
    return parse_pairs(text, "--index-options", "OPTION=VALUE pairs such as links=48,ef_search=256")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq build",
        description="Make the entities folder of a catalogue, or with --model a model folder, without training. Give the same"
        " command again after a break: the build resumes. Several processes (started by torchrun, by srun or by hand) share the"
        " work.",
        argument_default=argparse.SUPPRESS,  # BuildSettings and EntityText have the defaults
    )
    made.add_argument(
        "--catalogue", required=True, metavar="FILE", help="JSONL, JSON, CSV or Parquet file with one entity in each record"
    )
    made.add_argument("--output", required=True, metavar="DIR", help="the entities folder (with --model: model folder) to make")
    made.add_argument(
        "--model",
        metavar="DIR",
        help=f"make a model folder with the weights of this model: {GENERAL} (the model in the package), a model folder or a"
        " name on the Hub; the model decides encoder, pooling, text and prior",
    )
    made.add_argument(
        "--columns", default="", metavar="F=C,…", help="elq's field=your file's column, for each name that differs"
    )
    made.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, auto, … (default: cpu)")
    made.add_argument("--encoder", help="folder or name of the entity encoder (default: all-MiniLM-L6-v2)")
    made.add_argument("--pooling", help="how the token vectors become an entity vector: mean (default) or cls")
    made.add_argument("--max-tokens", type=int, help="entity texts are cut after so many tokens (default: 64)")
    made.add_argument("--dtype", help="number format of the table: float16 (default) or float32")
    made.add_argument(
        "--precision",
        help="number format of the encoder: bf16, fp32 or auto (default: auto, bf16 if the processor supports it)",
    )
    others = [name for name in INDEX_KINDS if name != DEFAULT_INDEX]
    made.add_argument("--index", help=f"kind of index: {' or '.join([f'{DEFAULT_INDEX} (default)', *others])}")
    options = describe_options().replace("%", "%%")  # argparse formats with %
    made.add_argument("--index-options", metavar="O=V,…", help=f"options of the index, with their defaults: {options}")
    made.add_argument(
        "--prior", metavar="F,…", help="measures of fame that a model with model.prior needs: qid,popularity (default: none)"
    )
    made.add_argument(
        "--text",
        dest="fields",
        metavar="F,…",
        help="fields of an entity that the encoder reads (default: title,aliases,description)",
    )
    made.add_argument("--separator", help="text between the names and the description (default: ': ')")
    made.add_argument("--max-aliases", type=int, help="number of aliases in the text (default: 3)")
    made.add_argument("--max-types", type=int, help="number of types in the text (default: 3)")
    made.add_argument(
        "--images",
        metavar="COLUMN",
        nargs="?",
        const="images",
        help="encode the pictures of the entities too, whose paths are in this column (default: images), relative to the folder"
        " of the catalogue",
    )
    made.add_argument(
        "--image-tower",
        metavar="NAME",
        help="for --images: efficientnet_lite0 (default), or the folder of CLIP, of SigLIP or of a tower that you trained",
    )
    made.add_argument(
        "--image-parts",
        action="store_true",
        default=argparse.SUPPRESS,
        help="for --images: the main part of a picture, such as the sign of a logo beside its name, is one more picture",
    )
    add_ray(made)
    made.add_argument("--workers", type=int, metavar="N", help="with --ray: number of workers (default: one for each machine)")
    return made


def main(arguments: Sequence[str]) -> None:
    """Build the entities folder, or the model folder."""
    options = vars(parser().parse_args(arguments))
    source, output, device = (options.pop(name) for name in ("catalogue", "output", "device"))
    columns = parse_columns(options.pop("columns"))
    if "index_options" in options:
        options["index_options"] = parse_options(options["index_options"])
    build, device = choose_build(options.pop("ray", None), options.pop("workers", None), device)
    pictures = picture_options(*(options.pop(name, None) for name in ("images", "image_tower", "image_parts")))
    if "model" in options:
        build_model(options.pop("model"), source, output, options, columns, device, build)
        return add_pictures(output, source, pictures)
    from elq.entities.build import BuildSettings
    from elq.entities.texts import EntityText

    text = {name: options.pop(name) for name in ("fields", "max_aliases", "max_types", "separator") if name in options}
    if "fields" in text:
        text["fields"] = tuple(field.strip() for field in text["fields"].split(","))
    if "prior" in options:
        options["prior"] = tuple(feature.strip() for feature in options["prior"].split(","))
    settings = BuildSettings(text=EntityText(**text), **options)
    build(source, output, settings, columns=columns, device=device)
    add_pictures(output, source, pictures)


def picture_options(column: str | None, tower: str | None, parts: bool | None = None) -> dict[str, Any] | None:
    """The arguments of :func:`elq.entities.image_build.build_images`; None if no pictures are wanted.

    Raises:
        ElqError: a tower or parts are given without ``--images``, or it cannot be opened, which is said before the long work.
    """
    if column is None:
        for name, value in (("--image-tower", tower), ("--image-parts", parts)):
            if value is not None:
                raise ElqError(f"{name} is given, but only --images uses it: give --images too, or leave out {name}")
        return None
    from elq.vision.opening import DEFAULT, open_tower

    open_tower(tower or DEFAULT)
    return {"column": column, "tower": tower or DEFAULT, "parts": bool(parts)}


def add_pictures(output: str, source: str, pictures: Mapping[str, Any] | None) -> None:
    """Put the pictures of a catalogue file beside its entities, if they are wanted."""
    if pictures is not None:
        from elq.entities.image_build import build_images

        build_images(output, Path(source).parent, **pictures)


def choose_build(ray: str | None, workers: int | None, device: str) -> tuple[Callable[..., Any], str]:
    """The function that builds the entities, in this process or on a Ray cluster, and the device that it gets.

    Args:
        ray: the value of ``--ray``; None: in this process.
        workers: the value of ``--workers``.
        device: the value of ``--device``.

    Raises:
        ElqError: a number of workers is given without a cluster, or is less than 1.
    """
    if ray is not None:
        if workers is not None and workers < 1:
            raise ElqError(f"--workers is {workers}, but must be at least 1: give 1 or more")
        from elq.bulk.building import build_on_ray

        return build_on_ray(ray, workers), device
    if workers is not None:
        raise ElqError("--workers is given, but only --ray uses it: give --ray too, or leave out --workers")
    from elq.encoding.device import own_device
    from elq.entities.build import build_entities

    return build_entities, own_device(device)


def build_model(
    model: str,
    source: str,
    output: str,
    options: Mapping[str, Any],
    columns: Mapping[str, str],
    device: str,
    build: Callable[..., Any],
) -> None:
    """Build a model folder with the weights of ``model``.

    Raises:
        ElqError: an option is given that the model decides, or the folder cannot be made.
    """
    from elq.linking.folder import resolve_model
    from elq.linking.general import settings_for
    from elq.linking.inputs import check_folder
    from elq.linking.model_folder import build_model_folder, refuse_decided

    written = {"fields": "--text"}  # field → option, where the names differ
    refuse_decided([written.get(name, f"--{name.replace('_', '-')}") for name in options], model)
    path = resolve_model(check_folder(model))
    settings = replace(settings_for(path), **options)
    build_model_folder(source, output, model=model, columns=columns, device=device, settings=settings, build=build)
