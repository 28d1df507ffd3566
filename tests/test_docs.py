"""Every command and code block in README and docs/ runs. Those that train are marked slow (`make test-slow`)."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

from elq.commands import COMMANDS, run

pytestmark = pytest.mark.usefixtures("quiet")
ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SET_UP = (
    "make ",
    "source ",
    "pip ",
    "git ",
    "cd ",
    "cp ",
    "elq download ",
)  # what a test cannot do in its own environment; CI does the first
CLUSTER = (
    "sbatch ",
    "torchrun ",
)  # docs/train.sbatch has its own test, and torchrun starts what tests/entities/test_build.py starts


PROBABILITY = re.compile(r"(?<=probability )\d\.\d\d")


def numbers(line: str) -> list[float]:
    """The probabilities in a printed line."""
    return [*map(float, PROBABILITY.findall(line))]


@dataclass(frozen=True)
class Block:
    page: str
    number: int
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of a console block, without prompts, comments and the output shown below a prompt."""
        lines = [line.split("  #")[0].strip() for line in self.text.replace("\\\n", " ").splitlines()]
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [part.strip() for line in prompted or lines for part in line.split("&&") if part.strip()]

    def outdated(self, printed: str) -> list[str]:
        """The lines below the prompts of a console block that were not printed so; probabilities may differ by .03."""
        shown = [line for line in self.text.splitlines() if "$ " in self.text and not line.startswith("$ ")]
        found = {PROBABILITY.sub("", line): numbers(line) for line in printed.splitlines()}
        return [line for line in shown if numbers(line) != pytest.approx(found.get(PROBABILITY.sub("", line)), abs=0.03)]

    @property
    def slow(self) -> bool:
        return any("train.py" in command or command.startswith(("elq fit", "elq train")) for command in self.commands)


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        for number, match in enumerate(re.finditer(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)):
            found.append(Block(page.name, number, match[1], match[2]))
    return found


def products() -> str:
    """The catalogue that the pages show as products.csv."""
    return next(block.text for block in blocks() if block.language == "csv")


def run_elsewhere(block: Block) -> bool:
    """Whether another test runs the commands of a block: those of docs/deployment.md are run by tests/test_deploy.py."""
    return block.page == "deployment.md"


def needs_shared(command: str) -> bool:
    return "webqsp" in command or "../shared" in command


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """A cache of catalogues, so that the starter is encoded once for all pages."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def checkout(run_folder, released, question_file, cache, tmp_path, monkeypatch) -> Path:
    """A folder that looks like the checkout, with a tiny model where the starter would be, and a tiny release."""
    place = tmp_path / "elq"
    place.mkdir()
    for name in ("conf", "elq", "train.py", "predict.py"):
        (place / name).symlink_to(ROOT / name)
    (place / "runs" / "starter").mkdir(parents=True)
    shutil.copytree(run_folder, place / "runs" / "starter" / "latest")  # `elq tune` changes it
    (place / "starter").symlink_to(ROOT / "elq" / "starter")  # as copied from an installed package
    for latest in ("own_catalogue", "webqsp"):
        (place / "runs" / latest).mkdir(exist_ok=True)
        (place / "runs" / latest / "latest").symlink_to(run_folder)
    (place / "elq-wiki-large").mkdir()
    names = {"elq_wiki_large.bin": "elq.bin", "elq_large_params.txt": "params.txt", "all_entities_large.t7": "table.t7"}
    names |= {"entity.jsonl": "entity.jsonl", "faiss_hnsw_index.pkl": "hnsw.pkl"}
    for name, tiny in names.items():
        (place / "elq-wiki-large" / name).symlink_to(released / tiny)
    (place / "bert-large-uncased").symlink_to(released)
    (place / "products.csv").write_text(products())
    monkeypatch.setenv("ELQ_CACHE", str(cache))
    (place / "questions.txt").write_text("who directed titanic?\nwhere is paris texas\n")
    (place / "questions").mkdir()
    shutil.copy(place / "questions.txt", place / "questions")
    shutil.copy(question_file, place / "questions.jsonl")
    monkeypatch.chdir(place)
    return place


def test_the_pages_have_blocks_of_known_languages():
    assert len(blocks()) > 25
    assert {block.language for block in blocks()} == {"console", "python", "json", "text", "csv"}
    assert {block.text for block in blocks() if block.language == "csv"} == {products()}  # every page shows the same file


def test_pictures_are_here_small_and_described_for_light_and_dark():
    found = [(page, *match) for page in PAGES for match in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text())]
    assert found
    for page, words, path in found:
        if path.endswith(".png"):  # a photograph, or what a program has shown
            data = (page.parent / path).read_bytes()
            assert data.startswith(b"\x89PNG\r\n\x1a\n")
            assert len(data) < 120_000
            assert len(words) > 40
            continue
        text = (page.parent / path).read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert len(text.encode()) < 10_000
        assert len(words) > 40
        assert "prefers-color-scheme: dark" in text
        assert not re.search(r"href|url\((?!#)|@import", text)  # it asks for nothing outside


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "python"], ids=lambda b: f"{b.page}-{b.number}")
def test_python_blocks_run(block, checkout, capsys):
    if "import spacy" in block.text:
        import elq.integrations.spacy_pipe  # noqa: F401  (the entry point does this where elq was installed since it has one)
    exec(compile(block.text, block.page, "exec"), {})
    printed = capsys.readouterr().out
    assert "titanic" in printed or "cordless drill" in printed  # a mention, as no title is written


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "json"], ids=lambda b: f"{b.page}-{b.number}")
def test_json_blocks_are_questions(block):
    from elq.questions.annotated import question_from_record

    for line in block.text.splitlines():
        assert question_from_record(json.loads(line), 1).mentions


@pytest.mark.parametrize(
    "block",
    [b for b in blocks() if b.language == "console" and not b.slow and not run_elsewhere(b)],
    ids=lambda b: f"{b.page}-{b.number}",
)
def test_commands_run(block, checkout, shared, encoder_folder, imported, capsys):
    (checkout.parent / "shared").symlink_to(shared)
    if "elq import" not in block.text:  # done on the same page
        (checkout / "runs" / "elq-wiki-large").symlink_to(imported)
    for command in block.commands:
        if command.startswith((*SET_UP, *CLUSTER)):
            continue
        program, *arguments = shlex.split(command)
        if program == "python":
            program, arguments = "elq", [arguments[0].removesuffix(".py"), *arguments[1:]]
        assert program == "elq", command
        name, *arguments = arguments
        assert name in COMMANDS, command
        if name == "build" and not {"--encoder", "--model"} & {
            *arguments
        }:  # with the tiny encoder: the real one takes minutes for a large catalogue
            arguments += ["--encoder", str(encoder_folder), "--precision", "fp32"]
        assert run(name, arguments) == 0, command
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert block.outdated(printed.out) == []


def ids(block: Block) -> str:
    return f"{block.page}-{block.number}"


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "console" and b.slow], ids=ids)
def test_training_commands_run(block, tmp_path_factory):
    """In one folder, page after page, as a reader would."""
    place = tmp_path_factory.getbasetemp() / "reader" / "elq"
    if not place.is_dir():
        place.mkdir(parents=True)
        for name in ("conf", "elq", "train.py", "predict.py", "docs"):
            (place / name).symlink_to(ROOT / name)
        if (ROOT.parent / "shared").is_dir():
            (place.parent / "shared").symlink_to((ROOT.parent / "shared").resolve())
            (place / "runs" / "public").mkdir(parents=True)  # as after `elq download webqsp`, which has the same questions
            (place / "runs" / "public" / "webqsp_dev.jsonl").symlink_to(place.parent / "shared/questions/webqsp_dev.jsonl")
        airports = pytest.importorskip("airportsdata")
        shutil.copy(Path(airports.__file__).parent / "airports.csv", place)
        (place / "products.csv").write_text(products())
        (place / "questions.txt").write_text("who directed titanic?\nwhere is paris texas\n")
    for command in block.commands:
        if command.startswith((*SET_UP, *CLUSTER)) or "…" in command:
            continue
        if "trainer=gpu" in command or ("trainer=ddp" in command and "accelerator=cpu" not in command):
            continue  # for machines with a card
        if needs_shared(command) and not (place.parent / "shared").is_dir():
            pytest.skip("the shared data folder is absent")
        if needs_shared(command):  # eleven minutes: the shape of the run only
            command = re.sub(
                r"(train\.py \+?experiment=webqsp)", r"\1 trainer.max_epochs=1 +trainer.limit_train_batches=5", command
            )
        command = re.sub(r"^(python|elq)\b", lambda m: sys.executable + (" -m elq" if m[0] == "elq" else ""), command)
        environment = {**os.environ, "ELQ_CACHE": str(place.parent / "cache")}
        done = subprocess.run(command, shell=True, cwd=place, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr[-3000:]}"


def uncited(page: str) -> list[str]:
    """The rows of tables and the items of the section of figures that have no link to their source; not our own figures."""
    page = page.split("\n## Our own figures\n")[0]
    rows = [line for line in re.sub(r"^\|.*\n\|(?:-*\|)+$", "", page, flags=re.MULTILINE).splitlines() if line.startswith("|")]
    _, _, section = page.partition("\n## Figures of their authors\n")
    figures = re.split(r"^- ", section, flags=re.MULTILINE)[1:]
    return [item for item in (*rows, *figures) if "](" not in item]


def test_every_row_and_figure_of_the_comparison_has_a_source():
    page = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    assert uncited(page) == []
    others = page.split("\n## Our own figures\n")[0]
    assert len(others) < len(page)
    assert uncited(others + "\n- BLINK: .9\n| linker | F1 |\n|---|---|\n| BLINK | .9 |\n")[:1] == ["| BLINK | .9 |"]
    assert uncited("\n## Figures of their authors\n\n- BLINK: .9\n") == ["BLINK: .9\n"]
