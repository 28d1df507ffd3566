"""The command ``elq``: finds the module of a subcommand and runs it.

Every subcommand has a module of its own, which is imported only when the subcommand is called.
"""

import importlib
import keyword
import logging
import sys
from collections.abc import Sequence

from elq.collector import end_quickly
from elq.commands.console import speak
from elq.threads import prepare

COMMANDS = {
    "predict": "link questions: arguments, a file, or standard input",
    "bulk": "link many files of questions, in several processes or on many machines",
    "serve": "answer HTTP requests with links",
    "train": "train a linker: give experiment=NAME and the settings to change, such as model.lr_heads=5e-4",
    "fit": "train from one config file (Lightning CLI): --config runs/…/config.yaml",
    "validate": "measure a checkpoint on the development questions (Lightning CLI)",
    "test": "measure a checkpoint on a test file (Lightning CLI)",
    "catalogue": "make a catalogue file of a dump, a thesaurus or a table: Wikidata, SPARQL results, RDF, …; or check one",
    "build": "make the entities folder of a catalogue, with the table of entity vectors and its index",
    "update": "give a model or an entities folder the entities of a changed catalogue file",
    "add": "add entities to a model or an entities folder",
    "remove": "remove entities from a model or an entities folder",
    "edit": "change the title, names or description of an entity",
    "discover": "list new entities that mentions of a corpus seem to mean, as records for `elq add`",
    "compact": "merge the changes of a folder into one base",
    "templates": "write training questions about a catalogue's entities, from template sentences with a slot for a name",
    "questions": "turn questions with SPARQL queries (QALD, LC-QuAD) or NIF into annotated questions, or these into NIF",
    "download": "download public questions and a catalogue, or the files of the released ELQ, and check them",
    "import": "make a model folder from the files of the released ELQ",
    "export": "write a model folder in the layout of the released ELQ",
    "explain": "say why the words of a question are linked or not, and what became of an entity",
    "info": "print what a model or entities folder contains, how it was made, and its scores",
    "evaluate": "measure a linker, or the dictionary baseline, on annotated questions",
    "tune": "choose a model's thresholds and fit its probabilities on annotated questions",
    "card": "write a model card from the files of a model and its evaluations",
    "push": "upload a model folder to the Hugging Face Hub, with a model card",
    "compare": "compare two files of predictions for the same annotated questions",
}
LIGHTNING = ("fit", "validate", "test")
RENAMED = {"bootstrap": "templates"}  # old name → new name; the old one works for one more release


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    return "usage: elq COMMAND …\n\n" + "\n".join(lines) + "\n\n`elq COMMAND --help` explains the options of a command."


def run(name: str, arguments: Sequence[str]) -> int:
    """Run one subcommand and return its exit code."""
    prepare()
    end_quickly()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for library in ("faiss", "httpx", "httpx2"):  # otherwise they report every instruction set that they try, and every request
        logging.getLogger(library).setLevel(logging.WARNING)
    if name in RENAMED:
        logging.getLogger(__name__).warning("`elq %s` is now `elq %s`; the old name works until 0.2", name, RENAMED[name])
        name = RENAMED[name]
    if name in LIGHTNING:
        return speak(lambda: importlib.import_module("elq.commands.tasks").main([name, *arguments]))
    module = f"{name}_" if keyword.iskeyword(name) else name
    return speak(lambda: importlib.import_module(f"elq.commands.{module}").main(list(arguments)))


def main() -> None:
    """Entry point of the installed command."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        from elq import __version__

        print(__version__)
        sys.exit(0)
    if arguments[0] not in (*COMMANDS, *RENAMED):
        print(f"elq: {arguments[0]!r} is not a command: choose one of {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    sys.exit(run(arguments[0], arguments[1:]))
