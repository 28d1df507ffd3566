"""`elq catalogue`: makes a catalogue file of a dump, a thesaurus, a table or another file."""

import argparse
from collections.abc import Sequence
from typing import Any

from elq.commands.console import ArgumentParser, add_columns, add_ray, parse_columns, parse_names, refuse_overwriting
from elq.commands.sources import OTHERS
from elq.sources.kinds import KINDS


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq catalogue",
        description="Make a Parquet catalogue of what you have. Give the same command again after a break: it resumes."
        " `elq catalogue check FILE` says what is doubtful in a catalogue, and `elq catalogue links FILE` makes training"
        " questions of the links in Wikipedia's articles.",
        argument_default=argparse.SUPPRESS,  # Options has the defaults
    )
    made.add_argument("source", metavar="SOURCE", help="a file, or a folder of files of one kind, also compressed")
    made.add_argument("--output", required=True, metavar="FILE.parquet", help="the catalogue to make")
    made.add_argument("--kind", default="", help=f"what the source is (default: guessed): {', '.join(KINDS)}")
    made.add_argument("--languages", type=parse_names, metavar="L,…", help="languages, the preferred one first (default: en)")
    made.add_argument("--processes", type=int, default=None, metavar="N", help="processes that parse (default: all cores)")
    add_ray(made)
    add_columns(made)
    made.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook (default: the first)")
    made.add_argument("--id-prefix", metavar="P", help="what ids that are addresses lose, such as http://example.org/concept/")
    wikidata = made.add_argument_group("Wikidata")
    wikidata.add_argument("--site", help="the wiki whose page titles are the titles (default: enwiki)")
    wikidata.add_argument("--type-properties", type=parse_names, metavar="P,…", help="properties that are types (default: P31)")
    wikidata.add_argument("--external-ids", type=parse_names, metavar="P,…", help="properties kept as columns (default: P646)")
    wikidata.add_argument("--min-sitelinks", type=int, metavar="N", help="leave out entities with fewer pages in all wikis")
    wikidata.add_argument("--has-sitelink", action="store_true", help="leave out entities without a page in --site")
    wikidata.add_argument("--types", type=parse_names, metavar="Q,…", help="keep only entities of these types")
    wikidata.add_argument("--without-types", type=parse_names, metavar="Q,…", help="leave out entities of these types")
    wikidata.add_argument("--subclasses", action="store_true", help="--types and --without-types name subclasses (P279) too")
    wikidata.add_argument("--internal-pages", action="store_true", help="keep disambiguations, categories, templates and lists")
    wikidata.add_argument("--redirects", metavar="FILE", help="old and new ids; the old ids become the column old_ids")
    return made


def main(arguments: Sequence[str]) -> None:
    """Make the catalogue file; or, with ``check`` or ``links`` as the first argument, do what elq/commands/sources.py says."""
    if arguments and arguments[0] in OTHERS:
        return OTHERS[arguments[0]](arguments[1:])
    options: dict[str, Any] = vars(parser().parse_args(arguments))
    source, output, kind, processes = (options.pop(name) for name in ("source", "output", "kind", "processes"))
    ray: str | None = options.pop("ray", None)
    refuse_overwriting(output, source, options.get("redirects"))
    options["columns"] = parse_columns(options["columns"])
    from elq.sources.convert import convert
    from elq.sources.source import Options

    write = None
    if ray is not None:
        from elq.bulk.parsing import parts_on_ray

        write = parts_on_ray(ray)
    convert(source, output, kind=kind, options=Options(**options), processes=processes, write=write)
