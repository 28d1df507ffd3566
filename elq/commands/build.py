"""``elq build``: a catalogue file → an entities folder."""

import argparse
from collections.abc import Sequence

from elq.commands.console import parse_columns
from elq.encoding.device import own_device
from elq.errors import ElqError
from elq.search.kinds import DEFAULT_INDEX, INDEX_KINDS, describe_options


def parse_options(text: str) -> dict[str, str]:
    """Option → value, from ``links=48,ef_search=256``.

    >>> parse_options("links=48,ef_search=256")
    {'links': '48', 'ef_search': '256'}
    """
    pairs = [pair.partition("=") for pair in text.split(",")]
    if wrong := next((pair for pair in pairs if not (pair[0] and pair[2])), None):
        raise ElqError(f"--index-options has {''.join(wrong)!r}, but must be OPTION=VALUE pairs such as links=48,ef_search=256")
    return {name.strip(): value.strip() for name, _, value in pairs}


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="elq build",
        description="Make the entities folder of a catalogue. A killed build goes on where it was; one that is started on"
        " several processes (torchrun, srun, by hand) shares the work.",
        argument_default=argparse.SUPPRESS,  # what is not given keeps the default of BuildSettings and EntityText
    )
    made.add_argument("--catalogue", required=True, metavar="FILE", help="JSONL, CSV or Parquet, one entity a record")
    made.add_argument("--output", required=True, metavar="DIR", help="the entities folder to make")
    made.add_argument("--columns", default="", metavar="F=C,…", help="our field=your column, where the names differ")
    made.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, … (default: cpu)")
    made.add_argument("--encoder", help="folder or name of the entity encoder (default: all-MiniLM-L6-v2)")
    made.add_argument("--pooling", help="entity vector from token vectors: mean (default) or cls")
    made.add_argument("--max-tokens", type=int, help="longer entity texts are cut there (default: 64)")
    made.add_argument("--dtype", help="of the table: float16 (default) or float32")
    made.add_argument("--precision", help="of the encoder: bf16, fp32, or auto (default: bf16 where the processor has it)")
    others = [name for name in INDEX_KINDS if name != DEFAULT_INDEX]
    made.add_argument("--index", help=f"{' or '.join([f'{DEFAULT_INDEX} (default)', *others])}")
    options = describe_options().replace("%", "%%")  # argparse formats with %
    made.add_argument("--index-options", metavar="O=V,…", help=f"options of the index, with their defaults: {options}")
    made.add_argument(
        "--prior", metavar="F,…", help="columns of fame for a model with that prior: qid,popularity (default: none)"
    )
    made.add_argument(
        "--text", dest="fields", metavar="F,…", help="what the encoder reads (default: title,aliases,description)"
    )
    made.add_argument("--separator", help="in the text before the description (default: ': ')")
    made.add_argument("--max-aliases", type=int, help="aliases in the text (default: 3)")
    made.add_argument("--max-types", type=int, help="types in the text (default: 3)")
    return made


def main(arguments: Sequence[str]) -> None:
    """Build."""
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
