"""A model in the cache of the Hub opens offline, in each revision; a part of one is refused in one sentence."""

import hashlib
import shutil
from pathlib import Path

import pytest

from elq.entities.edit import add_entities
from elq.errors import ElqError
from elq.linking.folder import hub_files, resolve_model
from elq.linking.linker import Linker

TEXTS = ["who directed titanic?", "who sang the queen song in paris texas"]
COMMIT, OLDER = "a" * 40, "b" * 40


def fill(cache: Path, model: Path, commit: str = COMMIT, ref: str | None = "main") -> Path:
    """Put a model folder into a cache as huggingface_hub does: blobs, a snapshot of relative links to them, and a ref."""
    repo = cache / "models--user--model"
    for name in ("blobs", "refs", f"snapshots/{commit}"):
        (repo / name).mkdir(parents=True, exist_ok=True)
    for file in (path for path in model.rglob("*") if path.is_file()):
        blob = repo / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        link = repo / "snapshots" / commit / file.relative_to(model)
        link.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * (2 + len(file.relative_to(model).parts) - 1)
        link.symlink_to(f"{up}blobs/{blob.name}")
    if ref:
        (repo / "refs" / ref).write_text(commit)
    return repo / "snapshots" / commit


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache. The tests are offline (tests/conftest.py)."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_a_cached_model_opens_offline_in_each_of_its_revisions(cache, model_folder):
    old = Linker.from_pretrained(model_folder).link(TEXTS)
    fill(cache, model_folder, OLDER, ref="v1")
    add_entities(model_folder, [{"id": "N1", "title": "Titanic (song)", "label": "Titanic"}])
    snapshot = fill(cache, model_folder)
    new = Linker.from_pretrained(model_folder).link(TEXTS)
    assert old != new
    linker = Linker.from_pretrained("user/model")
    assert linker.link(TEXTS) == new
    assert linker.folders[0] == snapshot.resolve()
    assert not linker.reload()
    for revision in ("v1", OLDER):
        assert Linker.from_pretrained("user/model", revision=revision).link(TEXTS) == old
    with pytest.raises(
        ElqError, match=r"user/model at revision v9 is not a folder .*HF_HUB_OFFLINE forbids a connection\): unset"
    ):
        Linker.from_pretrained("user/model", revision="v9")


@pytest.mark.parametrize("missing", ["model.safetensors", "entities/table.npy", "entities/segment-1/names.arrow"])
def test_a_partial_download_is_refused_in_one_sentence(cache, model_folder, missing):
    add_entities(model_folder, [{"id": "N1", "title": "Titanic (song)", "label": "Titanic"}])
    (fill(cache, model_folder) / missing).unlink()
    with pytest.raises(
        ElqError, match=f"model user/model lacks {missing} in .*: if the download broke off, connect to the Hub"
    ):
        Linker.from_pretrained("user/model")


def test_a_folder_of_the_name_goes_first_and_has_no_revisions(cache, model_folder, tmp_path):
    fill(cache, model_folder)
    (tmp_path / "user").mkdir()
    assert resolve_model("user/model").is_relative_to(cache)
    shutil.copytree(model_folder, tmp_path / "user" / "model")
    assert resolve_model("user/model") == Path("user/model")
    for name in ("user/model", "elq/general"):
        with pytest.raises(ElqError, match=f"the revision main is given, but {name} is a folder, which has no revisions"):
            Linker.from_pretrained(name, revision="main")


def test_a_link_of_a_snapshot_to_another_place_is_refused(cache, model_folder, tmp_path):
    snapshot = fill(cache, model_folder)
    (tmp_path / "decision.json").write_text("{}")
    (snapshot / "decision.json").unlink()
    (snapshot / "decision.json").symlink_to(tmp_path / "decision.json")
    with pytest.raises(ElqError, match="outside the folder"):
        Linker.from_pretrained("user/model")


def test_names_of_what_never_belongs_to_a_model_match_no_pattern():
    from fnmatch import fnmatch

    wanted = ["config.json", "entities/base-2/table.npy", "entities/removed-3.npy", "entity_encoder/model.safetensors"]
    others = [
        "modeling.py",
        "pytorch_model.bin",
        "entities/x.pkl",
        "entities/segment-1/setup.py",
        "README.md",
        "entities/plan.json",
    ]
    assert [name for name in (*wanted, *others) if any(fnmatch(name, pattern) for pattern in hub_files())] == wanted


def test_a_download_that_broke_off_goes_on(model_folder, client):
    """The large files are refused for a while, so that only a part of the snapshot is there."""
    client.do("Linker.from_pretrained(folder).push_to_hub('user/model')", model_folder)
    client.hub.refused["/large/"] = (403, {})
    [said] = client.do("refused(Linker.from_pretrained, 'user/model')", cache="b")
    assert "model user/model is not a folder and cannot be downloaded from the Hub" in said
    [said] = client.do("constants.HF_HUB_OFFLINE = True\nrefused(Linker.from_pretrained, 'user/model')", cache="b")
    assert "(the cache has only a part of it): connect to the Hub" in said
    client.hub.refused.clear()
    assert client.do("constants.HF_HUB_OFFLINE = False\nsay(Linker.from_pretrained('user/model'))", cache="b")
    fetched = [line for line in client.hub.asked if line.startswith("GET /large")]
    client.do(
        "constants.HF_HUB_OFFLINE = True\nLinker.from_pretrained('user/model')\nconstants.HF_HUB_OFFLINE = False", cache="b"
    )
    assert [line for line in client.hub.asked if line.startswith("GET /large")] == fetched


def test_a_private_model_needs_a_token(model_folder, client):
    client.do("Linker.from_pretrained(folder).push_to_hub('user/model', private=True)", model_folder)
    [said] = client.do("refused(Linker.from_pretrained, 'user/model')", cache="b", token="")
    assert "or it is private and you have no token that may read it): correct the name, or log in with `hf auth login`" in said
    assert client.do("say(Linker.from_pretrained('user/model', token='hf_owner'))", cache="b", token="")
