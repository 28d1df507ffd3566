"""The files of deploy/kuberay are what KubeRay and elq read."""

import importlib
import re
import shlex

import pytest
import yaml

from tests.bulk.conftest import ROOT

FOLDER = ROOT / "deploy" / "kuberay"
JOBS = sorted(FOLDER.glob("*.yaml"))


def test_there_is_a_job_for_linking_and_one_for_building():
    assert [path.name for path in JOBS] == ["build.yaml", "link.yaml"]


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_the_command_of_a_job_is_one_of_elq(path):
    job = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    program, name, *arguments = shlex.split(job["spec"]["entrypoint"])
    options = vars(importlib.import_module(f"elq.commands.{name}").parser().parse_args(arguments))
    assert program == "elq"
    assert options["ray"] == ""
    assert all(options[key].startswith("/data/") for key in ("input", "catalogue", "output") if options.get(key))


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_all_pods_have_the_volume_the_image_and_the_variables(path):
    cluster = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    containers = [pod["containers"][0] for pod in pods]
    assert len({str(pod["volumes"]) for pod in pods}) == 1
    for key in ("image", "env", "volumeMounts"):
        assert len({str(container[key]) for container in containers}) == 1
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_image_has_the_version_of_ray_that_the_jobs_and_the_tests_have():
    [pinned] = re.findall(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"FROM rayproject/ray:{pinned}-py311-cpu" in (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    for path in JOBS:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["rayClusterSpec"]["rayVersion"] == pinned
