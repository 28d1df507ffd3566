"""A model folder goes to a Hub and comes back as the same linker; what went wrong is one sentence."""

import json
import re
import subprocess
import sys

import pytest

from elq.commands import run
from elq.entities.edit import add_entities, compact_entities, remove_entities
from elq.errors import ElqError
from elq.hub.contents import contents_of
from elq.hub.push import push_to_hub
from elq.linking.decision import Decision
from elq.linking.linker import Linker
from tests.hub.conftest import environment
from tests.hub.server import READER, Repo

PUSH = "say(linker := Linker.from_pretrained(folder))\nprint(linker.push_to_hub('user/model', private=True))"
OPEN = "say(Linker.from_pretrained('user/model'))"
MODEL_FILES = ["config.json", "decision.json", "model.safetensors", "tokenizer.json"]
ENTITY_FILES = [f"entities/{name}" for name in ("catalogue.arrow", "manifest.json", "names.arrow", "table.npy")]


def test_a_pushed_model_comes_back_as_the_same_linker_and_only_changes_are_sent_again(model_folder, client, tmp_path):
    hub = client.hub
    for name in ("entities/.lock", "entities/plan.json", ".cache/huggingface/x", "model.safetensors.tmp", "notes.txt"):
        (model_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (model_folder / name).write_text("a thing that does not belong to a model")
    links, address = client.do(PUSH, model_folder)
    repo = hub.repos["user/model"]
    assert address == f"{hub.url}/user/model/commit/{repo.branches['main'].id}"
    assert repo.private
    assert sorted(repo.branches["main"].files) == sorted([".gitattributes", "README.md", *MODEL_FILES, *ENTITY_FILES])
    assert str(tmp_path.parent).encode() not in b"".join(repo.branches["main"].files.values())
    assert [commit.message for commit in repo.commits.values()] == ["initial commit", "Push a model of elq"]
    assert json.loads(links)[0]

    # another machine: an empty cache
    first = repo.branches["main"].id
    repo.branches["main"].files["evil.py"] = b"raise SystemExit"
    assert client.do(OPEN, cache="b") == [links]
    assert [*(tmp_path / "b").rglob("model.safetensors")]
    assert not [*(tmp_path / "b").rglob("evil.py")]
    del repo.branches["main"].files["evil.py"]

    # the owner changes the catalogue, and pushes again
    add_entities(model_folder, [{"id": "N1", "title": "Seine (film)", "label": "Seine"}])
    changed, _ = client.do(PUSH, model_folder)
    segment = [f"entities/segment-1/{name}" for name in ("catalogue.arrow", "names.arrow", "table.npy")]
    assert sorted(hub.uploaded) == sorted([*segment, "entities/manifest.json", "README.md"])
    assert changed != links
    assert client.do(OPEN, cache="b") == [changed]
    assert client.do(f"say(Linker.from_pretrained('user/model', revision={first!r}))", cache="b") == [links]

    # old segments are removed there, and nothing is sent where nothing changed
    remove_entities(model_folder, ["N1"])
    compact_entities(model_folder)
    repo.branches["main"].files["photo.png"] = b"not of elq"
    again, _ = client.do(PUSH, model_folder)
    assert {f"- {name}" for name in segment} <= {*hub.uploaded}
    assert "photo.png" in repo.branches["main"].files
    commits = len(repo.commits)
    assert client.do(PUSH, model_folder)[1].endswith(repo.branches["main"].id)
    assert len(repo.commits) == commits
    assert client.do(OPEN, cache="b") == [again]


def test_a_push_that_is_killed_leaves_the_old_model(model_folder, client, tmp_path):
    links, _ = client.do(PUSH, model_folder)
    main = client.hub.repos["user/model"].branches["main"]
    add_entities(model_folder, [{"id": "N1", "title": "Seine (film)", "label": "Seine"}])
    client.hub.stall = True
    command = [sys.executable, "-m", "elq", "push", str(model_folder), "user/model"]
    pushing = subprocess.Popen(command, env=environment(client.hub, tmp_path), stderr=subprocess.DEVNULL)
    try:
        assert client.hub.stalled.wait(100)
    finally:
        pushing.kill()
    assert pushing.wait(30) != 0
    client.hub.stall = False
    assert client.hub.repos["user/model"].branches["main"] is main
    assert client.do(OPEN, cache="b") == [links]


REFUSED = """
linker = Linker.from_pretrained(folder)
for name in ("model", "a/b/c", "user/bad name", ""):
    refused(linker.push_to_hub, name)
refused(linker.push_to_hub, "other/model")
refused(linker.push_to_hub, "user/model", token="hf_wrong")
refused(linker.push_to_hub, "user/limited")
refused(linker.push_to_hub, "user/open", private=True)
refused(linker.push_to_hub, "user/busy")
refused(linker.push_to_hub, "user/ill")
print(linker.push_to_hub("user/open", revision="v2", message="on a branch"))
refused(Linker.from_pretrained, "user/none")
refused(Linker.from_pretrained, "user/secret", token="hf_reader")
refused(Linker.from_pretrained, "user/gated")
refused(Linker.from_pretrained, "user/open", revision="v3")
refused(Linker.from_pretrained, "user/open")
Linker.from_pretrained("user/open", revision="v2")
here, constants.ENDPOINT = constants.ENDPOINT, "http://127.0.0.1:9"
refused(linker.push_to_hub, "user/model")
refused(Linker.from_pretrained, "user/other")
constants.ENDPOINT = here
"""


def test_what_the_hub_refuses_is_one_sentence(model_folder, client):
    hub = client.hub
    for name in ("open", "secret", "busy", "ill"):
        hub.repos[f"user/{name}"] = Repo(private=name == "secret")
        hub.repos[f"user/{name}"].commit("main", "initial commit", {})
    hub.before_commit.append("user/busy")
    hub.refused |= {
        "/api/models/user/gated": (403, {"X-Error-Code": "GatedRepo"}),
        "/api/models/user/ill/commit": (500, {}),
        "/api/models/user/limited": (429, {"Retry-After": "30"}),
    }
    said = client.do(REFUSED, model_folder)
    names, said = said[:4], said[4:]
    assert all("but must be owner/name, of letters, digits" in line for line in names)
    wanted = [
        "cannot be pushed to other/model (the token has no right to do this (403)): take a token with the right to write",
        "(the Hub does not accept the token (401)): log in with `hf auth login` or set HF_TOKEN",
        "(too many requests were sent (429)): try again in 30 seconds",
        "user/open is public, but the model is to be private",
        "(somebody else has changed it meanwhile (412)): try again",
        "(the Hub has an error of its own (500)): try again later",
        f"{hub.url}/user/open/commit/",
        "model user/none is not a folder and cannot be downloaded from the Hub (there is no such repository, or it is private",
        "model user/secret is not a folder and cannot be downloaded from the Hub (there is no such repository, or it is",
        "(its owner has to grant you access): ask for access on its page, or give the path",
        "model user/open at revision v3 is not a folder and cannot be downloaded from the Hub (it has no such revision)",
        "model user/open lacks config.json, model.safetensors, tokenizer.json in ",
        "cannot be pushed to user/model (the Hub cannot be reached): check the connection",
        "model user/other is not a folder and cannot be downloaded from the Hub (the Hub cannot be reached): check",
    ]
    assert len(said) == len(wanted)
    assert [text for line, text in zip(said, wanted, strict=True) if text not in line] == []
    assert hub.repos["user/open"].branches["main"].files == {}
    assert hub.repos["user/open"].branches["v2"].message == "on a branch"


def test_the_command_pushes_and_says_errors_without_a_traceback(model_folder, client, tmp_path):
    command = [sys.executable, "-m", "elq", "push", str(model_folder), "user/model"]
    done = subprocess.run(command, env=environment(client.hub, tmp_path / "a"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(f"user/model/commit/{client.hub.repos['user/model'].branches['main'].id}")
    assert re.fullmatch(r"user/model has \d+ files at .*\n", done.stderr)
    code = 'assert run("push", [str(folder), "user/model"]) == 2\nsys.stdout.write(sys.stderr.getvalue())'
    [said] = client.do(f"sys.stderr = io.StringIO()\n{code}\nsys.stderr = sys.__stderr__", model_folder, token=READER)
    assert "(the token has no right to do this (403))" in said


def test_without_a_connection_nothing_is_pushed(model_folder):
    with pytest.raises(ElqError, match=r"cannot be pushed to user/model \(.*HF_HUB_OFFLINE forbids a connection"):
        push_to_hub(model_folder, "user/model")


def test_a_linker_over_a_catalogue_and_a_changed_threshold_is_pushed_as_it_is(
    model_folder, encoder_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    records = [{"id": "A", "title": "Titanic"}, {"id": "B", "title": "Paris"}]
    linker = Linker.from_pretrained(model_folder).with_catalogue(records)
    linker.threshold = -2.5
    pushed = {}
    monkeypatch.setattr("elq.hub.push._upload", lambda contents, *_: pushed.update(contents) or "address")
    assert linker.push_to_hub("user/model") == "address"
    decision = json.loads(pushed["decision.json"])
    assert (decision["threshold"], decision["calibration"]) == (-2.5, [1.0, 0.5])
    assert json.loads(pushed["entities/manifest.json"])["entities"] == 2
    assert "catalogue | 2 entities" in pushed["README.md"].decode()
    linker.candidates = 3  # the probabilities were fitted with another K
    linker.push_to_hub("user/model")
    assert json.loads(pushed["decision.json"])["calibration"] is None
    bare = Linker(linker.model, linker.tokenizer, linker.entities, threshold=-1.0)
    with pytest.raises(ElqError, match="made from its parts, so it has no model folder"):
        bare.push_to_hub("user/model")


def test_damaged_folders_and_links_out_are_not_uploaded(model_folder, tmp_path):
    (tmp_path / "table.npy").write_bytes((model_folder / "entities" / "table.npy").read_bytes())
    (model_folder / "entities" / "table.npy").unlink()
    with pytest.raises(ElqError, match="the manifest says"):
        push_to_hub(model_folder, "user/model")
    (model_folder / "entities" / "table.npy").symlink_to(tmp_path / "table.npy")
    with pytest.raises(ElqError, match="outside the folder"):
        push_to_hub(model_folder, "user/model")


def test_an_edited_card_and_the_encoder_of_entities_are_uploaded(imported, tmp_path):
    contents = contents_of(imported, imported / "entities", Decision.load(imported))
    assert contents["entity_encoder/model.safetensors"] == imported / "entity_encoder" / "model.safetensors"
    assert {name for name in contents if name.startswith("entities/")} >= {"entities/manifest.json", "entities/catalogue.arrow"}


def test_a_card_in_the_folder_goes_first(model_folder, tmp_path, capsys):
    (model_folder / "README.md").write_text("# mine\n")
    (tmp_path / "e.json").write_text("{}")
    assert run("push", [str(model_folder), "user/model", "--evaluation", str(tmp_path / "e.json")]) == 2
    assert "README.md is the card of this model, so the evaluation" in capsys.readouterr().err
