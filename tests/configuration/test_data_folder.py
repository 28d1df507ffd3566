"""The experiments find the public files in ../shared, in runs/public or in the folder of ELQ_DATA."""

from pathlib import Path

import hydra
import pytest
from omegaconf import OmegaConf

from elq.commands.train import CONF
from elq.configuration.data_folder import DOWNLOADED, FILES, VARIABLE, public_file
from elq.errors import ElqError
from elq.public.download import CATALOGUE, PARTS
from elq.public.mintaka import FEW
from elq.public.sources import SETS
from elq.training.stages import require_files


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A folder to start in, with an empty folder for ../shared."""
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


def make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


def test_without_any_folder_the_paths_are_those_of_the_download(beside):
    assert public_file("mintaka") == f"runs/public/mintaka_{FEW}.jsonl"
    with pytest.raises(ElqError, match=f"`elq download webqsp` makes them in {DOWNLOADED}"):
        require_files([public_file("catalogue")])
    with pytest.raises(ElqError) as caught:
        require_files(["my.jsonl"])
    assert "elq download" not in str(caught.value)


def test_one_folder_gives_all_files(beside, monkeypatch):
    make(beside / "clone/runs/public/catalogue.jsonl")
    make(beside / "clone/runs/public/webqsp_dev.jsonl")
    assert public_file("webqsp_dev") == "runs/public/webqsp_dev.jsonl"
    make(beside / "shared/catalogue/wikidata_154k.jsonl")
    make(beside / "shared/questions/mintaka_a.jsonl")
    assert public_file("catalogue") == "../shared/catalogue/wikidata_154k.jsonl"
    assert public_file("mintaka") == "../shared/questions/mintaka_a.jsonl"
    assert public_file("webqsp_dev") == "../shared/webqsp_dev.jsonl"  # questions of another catalogue do not fit
    monkeypatch.setenv(VARIABLE, str(beside / "clone/runs/public"))
    assert public_file("webqsp_dev") == str(beside / "clone/runs/public/webqsp_dev.jsonl")


def test_the_experiment_reads_the_files_of_the_folder(beside, monkeypatch):
    monkeypatch.setenv(VARIABLE, "elsewhere")
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composed = hydra.compose("train", ["+experiment=webqsp"])
    data = OmegaConf.to_container(composed, resolve=True)["data"]
    files = {
        data["catalogue"],
        data["dev"],
        *(source["file"] for stage in data["train"] for source in stage.get("sources", ())),
    }
    assert files == {f"elsewhere/{files[0]}" for files in FILES.values() if len(files) == 2}  # the others are not downloaded


def test_the_download_makes_what_the_experiment_reads():
    assert {*SETS["webqsp"]} == {*PARTS}
    assert FILES["catalogue"][0] == CATALOGUE
    assert FILES["mintaka"][0] == f"mintaka_{FEW}.jsonl"
