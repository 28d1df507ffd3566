"""``elq build``: makes the entities folder of a catalogue file."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser, parse_columns, parse_pairs
from elq.encoding.device import own_device
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
        description="Make the entities folder of a catalogue. Give the same command again after a break: the build resumes."
        " Several processes (started by torchrun, by srun or by hand) share the work.",
        argument_default=argparse.SUPPRESS,  # BuildSettings and EntityText have the defaults
    )
    made.add_argument(
        "--catalogue", required=True, metavar="FILE", help="JSONL, JSON, CSV or Parquet file with one entity in each record"
    )
    made.add_argument("--output", required=True, metavar="DIR", help="the entities folder to make")
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
    return made


def main(arguments: Sequence[str]) -> None:
    """Build the entities folder."""
    options = vars(parser().parse_args(arguments))
    source, output, device = (options.pop(name) for name in ("catalogue", "output", "device"))
    columns = parse_columns(options.pop("columns"))
    from elq.entities.build import BuildSettings, build_entities
    from elq.entities.texts import EntityText

    text = {name: options.pop(name) for name in ("fields", "max_aliases", "max_types", "separator") if name in options}
    if "fields" in text:
        text["fields"] = tuple(field.strip() for field in text["fields"].split(","))
    if "prior" in options:
        options["prior"] = tuple(feature.strip() for feature in options["prior"].split(","))
    if "index_options" in options:
        options["index_options"] = parse_options(options["index_options"])
    settings = BuildSettings(text=EntityText(**text), **options)
    build_entities(source, output, settings, columns=columns, device=own_device(device))
