"""The files under deploy/, as far as they can be checked without a cloud."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

from tid_tune.storage.places import Place, place_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
YAML = sorted(DEPLOY.rglob("*.yaml"))
KUBERAY = sorted((DEPLOY / "kuberay").glob("*.yaml"))


def objects(*files: Path) -> list[dict[str, Any]]:
    return [item for file in files for item in yaml.safe_load_all(file.read_text())]


def cluster_of(item: dict[str, Any]) -> dict[str, Any] | None:
    """The RayCluster's spec in a RayCluster or RayJob."""
    spec = item.get("spec", {})
    return {"RayCluster": spec, "RayJob": spec.get("rayClusterSpec")}.get(item["kind"])


def groups(cluster: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield cluster["headGroupSpec"]
    yield from cluster["workerGroupSpecs"]


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("ray-cluster*.yaml")), ids=lambda f: f.stem)
def test_rays_autoscaler_accepts_the_cluster(file: Path) -> None:
    cluster = yaml.safe_load(file.read_text())
    schema = Path(ray.__file__).parent / "autoscaler/ray-schema.json"
    jsonschema.validate(cluster, json.loads(schema.read_text()))
    assert cluster["head_node_type"] in cluster["available_node_types"]
    for commands in (cluster["head_start_ray_commands"], cluster["worker_start_ray_commands"]):
        assert any("RAY_AUTH_MODE=token" in command for command in commands)
    assert "--dashboard-host=127.0.0.1" in cluster["head_start_ray_commands"][-1]
    assert "MLFLOW_TRACKING_URI=" in cluster["head_start_ray_commands"][-1]


def test_every_node_of_a_cluster_without_a_file_system_has_a_role_and_the_data() -> None:
    cluster = yaml.safe_load((DEPLOY / "ray-cluster-s3.yaml").read_text())
    for kind in cluster["available_node_types"].values():
        assert kind["node_config"]["IamInstanceProfile"]["Arn"].startswith("arn:aws:iam::")
    assert any("s3://BUCKET/data /mnt/data" in line for line in cluster["initialization_commands"])
    assert "-v /mnt/data:/mnt/data:ro" in cluster["docker"]["run_options"]
    for commands in (cluster["head_start_ray_commands"], cluster["worker_start_ray_commands"]):
        assert "TID_DATA=/mnt/data" in commands[-1]


def test_every_pod_of_ray_shares_the_storage_and_demands_the_token() -> None:
    claims = {
        item["metadata"]["name"]
        for item in objects(*KUBERAY)
        if item["kind"] == "PersistentVolumeClaim"
    }
    accounts = {i["metadata"]["name"] for i in objects(*KUBERAY) if i["kind"] == "ServiceAccount"}
    clusters = [found for item in objects(*KUBERAY) if (found := cluster_of(item)) is not None]
    assert len(clusters) == 3
    for cluster in clusters:
        assert cluster["rayVersion"] == version("ray"), "the version of requirements.lock"
        assert cluster["authOptions"] == {"mode": "token"}
        for group in groups(cluster):
            pod = group["template"]["spec"]
            assert isinstance(group["rayStartParams"], dict)
            (container,) = pod["containers"]
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            assert mounts.keys() <= volumes.keys()
            if "shared" in mounts:
                assert mounts["shared"] == "/shared"
                assert volumes["shared"]["persistentVolumeClaim"]["claimName"] in claims
                continue
            assert pod["serviceAccountName"] in accounts
            assert {"name": "TID_DATA", "value": mounts["data"]} in container["env"]
            (fetch,) = pod["initContainers"]
            assert fetch["command"][-2:] == ["s3://BUCKET/data", mounts["data"]]


@pytest.mark.parametrize("item", objects(*KUBERAY), ids=lambda item: item["kind"])
def test_objects_of_kubernetes_have_the_fields_they_need(item: dict[str, Any]) -> None:
    assert item["apiVersion"]
    assert item["metadata"]["name"]
    if item["kind"] == "ServiceAccount":
        return
    spec = item["spec"]
    if item["kind"] == "Deployment":
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()
    if item["kind"] == "Service":
        deployment = next(one for one in objects(*KUBERAY) if one["kind"] == "Deployment")
        assert spec["selector"] == deployment["spec"]["selector"]["matchLabels"]
    if item["kind"] == "RayCluster":
        for group in spec["workerGroupSpecs"]:
            assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


@pytest.mark.parametrize(
    ("file", "runs"), [("rayjob", Path("/shared/runs")), ("rayjob-s3", "s3://BUCKET/runs")]
)
def test_a_retry_of_a_ray_job_resumes(file: str, runs: Place) -> None:
    """It gets a new cluster: the run folder has to last, the name the same."""
    found = objects(DEPLOY / "kuberay" / f"{file}.yaml")
    (spec,) = (item["spec"] for item in found if item["kind"] == "RayJob")
    assert spec["backoffLimit"] > 0
    (_, _, command) = shlex.split(spec["entrypoint"])
    words = command.split()
    assert place_of(words[words.index("--runs") + 1]) == runs
    assert "--fresh" not in spec["entrypoint"]
    environment = yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"]
    assert int(environment["RAY_JOB_STOP_WAIT_TIME_S"]) >= 60


def test_the_image_is_built_of_what_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY")]
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name
    assert next(line for line in lines if line.startswith("USER")) != "USER root"
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "data", "runs"} <= set(ignored)


def test_the_page_names_every_file() -> None:
    page = (DEPLOY / "README.md").read_text()
    for file in DEPLOY.rglob("*"):
        if file.is_file() and file.name != "README.md":
            assert file.name in page, file
