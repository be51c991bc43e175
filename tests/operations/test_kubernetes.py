"""The Kubernetes manifests are valid by the API's own schemas, and name what the image and the server have."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from authz.serving.wsgi import MACHINES
from tests.operations.test_deploy import DEPLOY, unknown

pytestmark = pytest.mark.any_database

FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATIONS = sorted(FOLDER.rglob("kustomization.yaml"))
# The oldest version that still gets fixes at the time of writing, and the newest whose schemas we have.
VERSIONS = ("1.32", "1.37")
# Parts that only have to fit what they are laid over.
PATCHES = [
    file.parent / patch["path"]
    for file in KUSTOMIZATIONS
    for patch in yaml.safe_load(file.read_text()).get("patches", [])
]


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(FOLDER.rglob("*.yaml")):
        if file.name != "kustomization.yaml":
            for document in yaml.safe_load_all(file.read_text()):
                yield file, document


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for file, document in manifests() if document["kind"] == kind and file not in PATCHES]


def pods() -> dict[str, dict[str, Any]]:
    return {
        found["metadata"]["name"]: found["spec"]["template"]
        for kind in ("Deployment", "Job")
        for found in of_kind(kind)
    }


def containers() -> list[dict[str, Any]]:
    return [
        item for pod in pods().values() for item in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_accepts_each_manifest(version: str) -> None:
    complete = [document for file, document in manifests() if file not in PATCHES]
    assert len(complete) >= 8
    for document in complete:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_schemas_refuse_a_key_that_does_not_exist() -> None:
    (document,) = of_kind("Deployment")
    document["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


def test_each_file_belongs_to_a_kustomization() -> None:
    named = {
        (file.parent / resource).resolve()
        for file in KUSTOMIZATIONS
        for resource in yaml.safe_load(file.read_text())["resources"]
    }
    assert {file.resolve() for file, _ in manifests()} == {path for path in named if path.is_file()} | {
        path.resolve() for path in PATCHES
    }
    assert FOLDER / "base" in named


def test_no_container_has_rights() -> None:
    assert len(containers()) == 3
    for container in containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    for pod in pods().values():
        user = pod["spec"]["securityContext"]["runAsUser"]
        assert f"--uid {user} " in (DEPLOY / "Dockerfile").read_text()
        assert pod["spec"]["automountServiceAccountToken"] is False


def test_secrets_are_named_and_not_written() -> None:
    assert of_kind("Secret") == []
    for container in containers():
        assert {"secretRef": {"name": "gatehouse"}} in container["envFrom"]
        assert "env" not in container


def test_what_the_configuration_sets_is_read() -> None:
    (overlay,) = [yaml.safe_load(file.read_text()) for file in KUSTOMIZATIONS if "overlays" in file.parts]
    literals = dict(item.split("=", 1) for item in overlay["configMapGenerator"][0]["literals"])
    assert literals["GATEHOUSE_ISSUER"].startswith("https://")
    assert unknown(literals) == []


def test_the_probes_ask_paths_and_a_port_that_are_served() -> None:
    (container,) = pods()["gatehouse"]["spec"]["containers"]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: probe["path"] for name, probe in asked.items() if probe["path"] not in MACHINES} == {}
    assert asked["readinessProbe"]["path"] == "/readyz"
    (port,) = container["ports"]
    assert {probe["port"] for probe in asked.values()} == {port["name"]}
    assert f"EXPOSE {port['containerPort']}\n" in (DEPLOY / "Dockerfile").read_text()


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget", "NetworkPolicy"])
def test_each_selector_finds_the_nodes(kind: str) -> None:
    (found,) = of_kind(kind)
    spec = found["spec"]
    selector = spec.get("podSelector") or spec["selector"]
    wanted = selector.get("matchLabels", selector)
    assert wanted.items() <= pods()["gatehouse"]["metadata"]["labels"].items()


def test_a_service_sends_no_requests_to_the_job() -> None:
    (service,) = of_kind("Service")
    assert not service["spec"]["selector"].items() <= pods()["gatehouse-prepare"]["metadata"]["labels"].items()
