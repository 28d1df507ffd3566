"""``elq build``: a catalogue file → an entities folder."""

import argparse
from collections.abc import Sequence

from elq.encoder import DEFAULT
from elq.errors import ElqError


def parse_columns(text: str | None) -> dict[str, str]:
    """Our field → their column, from ``id=qid,title=name``.

    >>> parse_columns("id=qid,title=name")
    {'id': 'qid', 'title': 'name'}
    """
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    if wrong := next((pair for pair in pairs if not (pair[0] and pair[2])), None):
        raise ElqError(f"--columns has {''.join(wrong)!r}, but must be FIELD=COLUMN pairs such as id=qid,title=name")
    return {field.strip(): column.strip() for field, _, column in pairs}


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="elq build", description="Make the entities folder of a catalogue. A killed build goes on where it was."
    )
    made.add_argument("--catalogue", required=True, metavar="FILE", help="JSONL, CSV or Parquet, one entity a record")
    made.add_argument("--output", required=True, metavar="DIR", help="the entities folder to make")
    made.add_argument("--columns", metavar="F=C,…", help="our field=your column, where the names differ")
    made.add_argument("--encoder", default=DEFAULT, help="folder or name of the entity encoder (default: %(default)s)")
    made.add_argument("--pooling", default="mean", choices=("mean", "cls"), help="entity vector from token vectors")
    made.add_argument("--text", default="title,aliases,description", help="fields the encoder reads (default: %(default)s)")
    made.add_argument("--max-aliases", type=int, default=3, help="aliases in the text (default: %(default)s)")
    made.add_argument("--max-types", type=int, default=3, help="types in the text (default: %(default)s)")
    made.add_argument("--max-tokens", type=int, default=64, help="text is cut there (default: %(default)s)")
    made.add_argument("--dtype", default="float16", choices=("float16", "float32"), help="of the table (default: %(default)s)")
    made.add_argument("--precision", default="auto", choices=("auto", "bf16", "fp32"), help="of the encoder")
    made.add_argument("--index", default="exact", choices=("exact", "hnsw"), help="kind of index (default: %(default)s)")
    made.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, … (default: cpu)")
    return made


def main(arguments: Sequence[str]) -> None:
    """Build."""
    options = parser().parse_args(arguments)
    columns = parse_columns(options.columns)
    from elq.build import BuildSettings, build_entities
    from elq.texts import EntityText

    fields = tuple(field.strip() for field in options.text.split(","))
    settings = BuildSettings(
        encoder=options.encoder,
        pooling=options.pooling,
        text=EntityText(fields=fields, max_aliases=options.max_aliases, max_types=options.max_types),
        max_tokens=options.max_tokens,
        dtype=options.dtype,
        precision=options.precision,
        index=options.index,
    )
    build_entities(options.catalogue, options.output, settings, columns=columns, device=options.device)
