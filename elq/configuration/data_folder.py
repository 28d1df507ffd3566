"""The data folder: finds the public catalogue and questions that the experiments read.

``${public:NAME}`` in conf/ is the path of one such file. It is looked for in the folder that the environment variable
``ELQ_DATA`` names, or else in ``../shared``, or in
``runs/public``, where `elq download` puts them.
"""

import os
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "ELQ_DATA"
DOWNLOADED = "runs/public"
FOLDERS = ("../shared", DOWNLOADED)
FILES = {  # name in conf/ → the file of `elq download`, and its name in the folder of the developers
    "catalogue": ("catalogue.jsonl", "catalogue/wikidata_154k.jsonl"),
    "webqsp_train": ("webqsp_train.jsonl", "questions/webqsp_train.jsonl"),
    "webqsp_dev": ("webqsp_dev.jsonl", "questions/webqsp_dev.jsonl"),
    "simplequestions_train": ("simplequestions_train.jsonl", "questions/simplequestions_train.jsonl"),
    "mintaka": ("mintaka_1000.jsonl", "questions/mintaka_a.jsonl"),
}
OTHERS = {name: (f"questions/{name}.jsonl",) for name in ("captions", "erd", "lcquad2")}  # no download makes them


def data_folder() -> Path:
    """The folder that is used: the one of ``ELQ_DATA``, or else the first that has a catalogue."""
    if own := os.environ.get(VARIABLE):
        return Path(own)
    known = (Path(folder) for folder in FOLDERS if any((Path(folder) / file).is_file() for file in FILES["catalogue"]))
    return next(known, Path(DOWNLOADED))


def public_file(name: str) -> str:
    """The path of a public file; if it is not there, the path that `elq download` would give it."""
    folder = data_folder()
    paths = [folder / file for file in (FILES | OTHERS)[name]]
    return str(next((path for path in paths if path.is_file()), paths[0]))


def remedy(missing: Sequence[str]) -> str:
    """How to get files that are missing, if they are public ones; else an empty text.

    >>> remedy(["my/train.jsonl"])
    ''
    """
    wanted = {file for files in FILES.values() for file in files[:1]}
    if not any(Path(file).name in wanted for file in missing):
        return ""
    return f"; `elq download webqsp` makes them in {DOWNLOADED}, and the environment variable {VARIABLE} names another folder"
