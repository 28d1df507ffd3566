"""The files of deploy/ agree with the server and with each other, and the commands of docs/deployment.md run where they can."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

import elq
from elq.search import milvus

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
ELSEWHERE = ("docker ", "sudo ", "kubectl ", "pip ", "journalctl ")  # commands that need more than this machine has
# that of elq/cache.py, the folder that compose mounts, and those of elq/search/milvus.py
OTHER_VARIABLES = {"ELQ_CACHE", "ELQ_DATA", "ELQ_MILVUS_URL", "ELQ_MILVUS_TOKEN"}


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


# --- the files agree with the server and with each other


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its arguments."""
    lines = [line for line in text("Dockerfile").splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "kubernetes.yaml", "elq.service"])
def test_every_variable_is_a_setting_of_the_server(name):
    settings = pytest.importorskip("elq.serving.settings")
    known = {f"ELQ_{each.name.upper()}" for each in fields(settings.Settings)} | OTHER_VARIABLES
    used = set(re.findall(r"\bELQ_[A-Z_]+\b", text(name)))
    assert used
    assert used <= known


def test_every_variable_of_the_page_is_a_setting_of_the_server():
    settings = pytest.importorskip("elq.serving.settings")
    known = {f"ELQ_{each.name.upper()}" for each in fields(settings.Settings)} | OTHER_VARIABLES
    assert set(re.findall(r"\bELQ_[A-Z_]*[A-Z]\b", PAGE)) <= known


def exposed_names() -> set[str]:
    """The names that /metrics has, also of metrics that have no value yet."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    families = pytest.importorskip("elq.serving.metrics").Metrics().registry.collect()
    return {family.name + ending for family in families for ending in endings.get(family.type, ())}


def test_every_metric_of_the_dashboard_is_one_of_the_server():
    board = json.loads(text("grafana/elq.json"))
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = {name for query in queries for name in re.findall(r"\b(?:elq|process)_[a-z_]+\b", query)}
    assert len(names) > 8
    if sys.platform != "linux":  # the process metrics are there on Linux only
        names = {name for name in names if name.startswith("elq_")}
    assert names <= exposed_names()
    assert all("datasource" in panel and panel["title"] for panel in board["panels"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_version_of_the_image_agrees():
    compose = yaml.safe_load(text("compose.yaml"))
    pods = next(yaml.safe_load_all(text("kubernetes.yaml")))["spec"]["template"]["spec"]
    assert compose["services"]["elq"]["image"] == pods["containers"][0]["image"] == f"elq:{elq.__version__}"
    assert set(re.findall(r"elq:\d[\d.]*\d", text("Dockerfile") + PAGE)) == {f"elq:{elq.__version__}"}


def test_images_of_others_are_pinned_and_ports_are_local():
    services = yaml.safe_load(text("compose.yaml"))["services"]
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert service["cap_drop"] == ["ALL"], name
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith("./") or (DEPLOY / source).is_file(), volume


def test_no_file_has_a_secret():
    values = yaml.safe_load(text("compose.yaml"))["services"]
    assert values["elq"]["environment"]["ELQ_TOKEN"].startswith("${ELQ_TOKEN:?")
    assert values["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_PASSWORD:?")
    assert "TOKEN=" not in text("Dockerfile").replace('ELQ_TOKEN=""', "")


def test_milvus_stands_beside_the_server_with_a_password_and_a_local_port():
    compose, more = (yaml.safe_load(text(name)) for name in ("compose.yaml", "milvus.yaml"))
    assert compose["name"] == more["name"]  # one project, so one network
    [service] = more["services"].values()
    assert re.search(r":v\d+\.\d+\.\d+$", service["image"])
    assert service["ports"] == ["127.0.0.1:19530:19530"]
    assert service["environment"]["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"
    assert service["environment"]["COMMON_SECURITY_DEFAULTROOTPASSWORD"].startswith("${MILVUS_PASSWORD:?")
    assert {volume.partition(":")[0] for volume in service["volumes"]} == set(more["volumes"])
    assert milvus.START == "docker compose --file deploy/milvus.yaml up --detach"
    known = {milvus.ADDRESS, milvus.TOKEN}
    assert known == {name for name in compose["services"]["elq"]["environment"] if "MILVUS" in name}
    assert known <= set(re.findall(r"\bELQ_[A-Z_]+\b", PAGE))


def test_prometheus_asks_the_service_of_compose_with_its_token():
    [job] = yaml.safe_load(text("prometheus.yml"))["scrape_configs"]
    compose = yaml.safe_load(text("compose.yaml"))
    [target] = job["static_configs"][0]["targets"]
    assert target.split(":")[0] in compose["services"]
    [secret] = compose["services"]["prometheus"]["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret['source']}"
    assert compose["secrets"][secret["source"]] == {"environment": "ELQ_TOKEN"}
    source = yaml.safe_load(text("grafana/datasource.yaml"))["datasources"][0]
    assert {
        target["datasource"]["uid"] for panel in json.loads(text("grafana/elq.json"))["panels"] for target in panel["targets"]
    } == {source["uid"]}
    folder = yaml.safe_load(text("grafana/dashboards.yaml"))["providers"][0]["options"]["path"]
    assert any(f":{folder}/elq.json" in volume for volume in compose["services"]["grafana"]["volumes"])


def test_probes_limits_and_rights_on_kubernetes(dockerfile):
    deployment, service = yaml.safe_load_all(text("kubernetes.yaml"))
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/ready", "readiness": "/ready", "liveness": "/health"}
    assert set(container["resources"]) == {"requests", "limits"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert ("USER", f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}") in dockerfile
    assert ("EXPOSE", str(container["ports"][0]["containerPort"])) in dockerfile
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    named = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == named


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_accepts_the_unit(tmp_path):
    unit = tmp_path / "elq.service"
    there = text("elq.service").replace("/opt/elq/bin/elq", "/bin/true")
    unit.write_text(there)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    if "Failed to" in done.stderr and "bus" in done.stderr:
        pytest.skip("systemd-analyze needs a running systemd here")
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(there.replace("NoNewPrivileges", "NoNewPrivilege"))  # a mistake is seen
    assert (
        "NoNewPrivilege"
        in subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True).stderr
    )


# --- what the Dockerfile runs


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last line that matches it decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        parts = {path, *(str(parent) for parent in Path(path).parents)} - {"."}
        bare = pattern.removeprefix("**/")
        matches = any(fnmatch(part, pattern) or (bare != pattern and fnmatch(Path(part).name, bare)) for part in parts)
        if line and not line.startswith("#") and matches:
            sent = line.startswith("!")
    return sent


def test_docker_gets_what_it_copies_and_nothing_else(dockerfile):
    copied = [part for name, words in dockerfile if name == "COPY" and "--from" not in words for part in words.split()[:-1]]
    assert {"elq", "conf", "pyproject.toml", "constraints.txt"} <= set(copied)
    assert all((ROOT / path).exists() and is_sent(path) for path in copied)
    assert is_sent("elq/serving/app.py")
    for path in (".git/config", "runs/starter/latest/model", ".venv/bin/python", "tests/conftest.py", "elq/__pycache__/a.pyc"):
        assert not is_sent(path), path
    commands = [words for name, words in dockerfile if name in ("RUN", "ENTRYPOINT", "CMD")]
    assert '["elq"]' in commands
    assert '["serve"]' in commands


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not here")
def test_hadolint_finds_nothing():
    done = subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a shell on Linux")
def test_the_build_commands_of_the_image_run_on_the_copied_files_alone(dockerfile, tmp_path):
    """Without the network: pip is told to write down the libraries instead of installing them."""
    context, opt = tmp_path / "build", tmp_path / "opt" / "elq"
    context.mkdir()
    build = dockerfile[: [name for name, _ in dockerfile].index("FROM", 2)]
    installs = []
    for name, words in build:
        if name == "COPY":
            *sources, _ = words.split()
            for source in sources:
                place = ROOT / source
                ignore = shutil.ignore_patterns("__pycache__", "weights", "starter")  # large, and not needed for this
                shutil.copytree(place, context / source, ignore=ignore) if place.is_dir() else shutil.copy(place, context)
        elif name == "RUN":
            for command in words.replace("/opt/elq", str(opt)).split("&&"):
                if "pip install" in command:
                    installs.append(command.strip())
                else:
                    command = command.replace("python -m venv", f"{sys.executable} -m venv --without-pip")
                    subprocess.run(command, shell=True, check=True, cwd=context, env={**os.environ, "TORCH_INDEX": ""})
    libraries = (context / "requirements.txt").read_text().splitlines()
    assert {"torch", "fastapi", "uvicorn", "uvloop"} <= {re.split("[<>=]", line)[0] for line in libraries}
    assert len(installs) == 3
    last = shlex.split(installs[-1])
    assert last[1:] == ["install", "--no-deps", "."]
    assert (opt / "bin" / "python").exists()
    (context / "elq" / "weights").mkdir()
    (context / "elq" / "weights" / "NOTICE").write_text("")
    wheel = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(context)]
    subprocess.run(wheel, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [f"elq-{elq.__version__}-py3-none-any.whl"]


# --- the page


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_commands_of_the_page_name_files_of_the_repository():
    for command in commands():
        for word in shlex.split(command):
            assert not word.startswith("deploy/") or (ROOT / word).is_file(), command
    assert {"docker", "sudo", "kubectl", "curl", "elq"} <= {command.split()[0] for command in commands()}


@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("curl"), reason="the commands need a shell and curl")
def test_the_commands_of_the_page_run(tmp_path):
    """In one shell, one after the other: elq serves in the background, at a free port."""
    pytest.importorskip("elq.serving.server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    table = next(iter(re.findall(r"^```csv\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)))
    (tmp_path / "products.csv").write_text(table)
    (tmp_path / "deploy").symlink_to(DEPLOY)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "elq").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m elq "$@"\n')
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    lines = ["set -eu"]
    for command in commands():
        if command.startswith(ELSEWHERE) or (command.startswith("systemd-analyze") and not shutil.which("systemd-analyze")):
            continue
        command = command.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        if command.startswith("elq serve"):
            lines += [f"{command} > server.log 2>&1 &", "server=$!", "trap 'kill $server' EXIT"]
            ready = f"curl --silent --fail --output ready.txt http://127.0.0.1:{port}/ready"
            lines.append(f"until {ready}; do kill -0 $server; sleep 0.2; done")
        else:
            lines += [f"{command} > output.txt", "cat output.txt; echo"]
    lines += ["trap - EXIT", "kill $server", "wait $server"]  # the server ends with code 0
    (tmp_path / "page.sh").write_text("\n".join(lines))
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment |= {"ELQ_PORT": str(port), "ELQ_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(["bash", "page.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"A-101"' in done.stdout
    assert "elq_requests_total{" in done.stdout
    assert (tmp_path / "data" / "model" / "entities").is_dir()
