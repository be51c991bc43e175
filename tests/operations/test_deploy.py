"""The files to deploy with name what exists, and hold no secret."""

import re
import tomllib
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from authz.serving.wsgi import MACHINES
from demo.processes import ROOT

pytestmark = pytest.mark.any_database

DEPLOY = ROOT / "deploy"


def test_the_image_copies_existing_files_and_runs_as_an_unprivileged_user() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    sources = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert dockerfile.index("USER gatehouse") < dockerfile.index("CMD [")


@pytest.mark.parametrize("file", ["Makefile", "deploy/Dockerfile", "demo/environments.py"])
def test_the_image_installs_the_locked_requirements(file: str) -> None:
    """If pip resolved dependencies again, it might find a newer `name[extra]`, and install nothing."""
    installs = [line for line in (ROOT / file).read_text().splitlines() if "--require-hashes" in line]
    assert installs
    assert all("--no-deps" in install for install in installs)


def test_the_image_is_built_from_a_wheel_with_every_app_of_ours() -> None:
    """tests/interop/test_installing.py builds and starts the wheel in the same way."""
    dockerfile, project = (DEPLOY / "Dockerfile").read_text(), tomllib.loads((ROOT / "pyproject.toml").read_text())
    ours = sorted(apps.parent.name for apps in ROOT.glob("*/apps.py"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ours
    assert all(f"COPY {folder} " in dockerfile for folder in [*ours, "templates", "examples"])
    assert "pip wheel --no-deps --no-build-isolation --no-index" in dockerfile


def test_systemd_lets_the_server_stop_its_workers() -> None:
    """With SIGTERM to all of them at once, requests that no worker has accepted yet would be reset."""
    unit = (DEPLOY / "gatehouse.service").read_text().splitlines()
    assert "KillMode=mixed" in unit
    (writable,) = [line.partition("=")[2] for line in unit if line.startswith("ReadWritePaths=")]
    assert any("install -d" in line and line.endswith(f" {writable}") for line in unit), "it does not start without it"


@pytest.fixture(scope="module")
def composition() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return document


@pytest.fixture(scope="module", params=["node-1", "node-2"])
def node(request: pytest.FixtureRequest, composition: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = composition["services"][request.param]
    return found


def test_the_composition_takes_secrets_from_outside_and_sets_what_settings_know(node: dict[str, Any]) -> None:
    environment = node["environment"]
    assert unknown(environment) == []
    assert environment["GATEHOUSE_SECRET_KEY"] == "${GATEHOUSE_SECRET_KEY:?}"
    assert ":${POSTGRES_PASSWORD:?}@" in environment["DATABASE_URL"]


def test_a_node_has_no_rights_and_no_port_of_the_host(node: dict[str, Any]) -> None:
    assert node["read_only"]
    assert node["cap_drop"] == ["ALL"]
    assert "ports" not in node


def test_the_nodes_trust_the_proxys_address_and_no_other(composition: dict[str, Any], node: dict[str, Any]) -> None:
    proxy = composition["services"]["proxy"]["networks"]["default"]["ipv4_address"]
    assert node["environment"]["GATEHOUSE_TRUSTED_PROXIES"] == proxy
    given = ip_network(composition["networks"]["default"]["ipam"]["config"][0]["ip_range"])
    assert ip_address(proxy) not in given, "another container may get it"


def test_the_proxy_reaches_each_node_at_the_port_of_the_image(composition: dict[str, Any]) -> None:
    port = re.search(r"^EXPOSE (\d+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert port is not None
    nodes = composition["services"]["proxy"]["environment"]["NODES"].split()
    assert nodes == [f"{name}:{port[1]}" for name in composition["services"] if name.startswith("node-")]


def test_the_audits_files_survive_the_container(composition: dict[str, Any], node: dict[str, Any]) -> None:
    volume, _, folder = node["volumes"][0].partition(":")
    assert volume in composition["volumes"]
    assert folder == "/srv/gatehouse/var/audit"
    assert "--owner=gatehouse var var/audit" in (DEPLOY / "Dockerfile").read_text()
    # No pg_dump of bookworm (15) takes a backup of a newer server.
    server = int(composition["services"]["database"]["image"].partition(":")[2])
    assert f"trixie has {server}" in (DEPLOY / "Dockerfile").read_text()


@pytest.mark.parametrize("file", ["Caddyfile", "nginx.conf", "traefik.yaml"])
def test_each_proxy_hides_the_metrics_and_names_the_setting_that_trusts_it(file: str) -> None:
    text = (DEPLOY / file).read_text()
    assert "/metrics" in text
    assert "GATEHOUSE_TRUSTED_PROXIES" in text


def test_traefiks_router_leads_to_a_service_that_asks_a_path_of_ours() -> None:
    http = yaml.safe_load((DEPLOY / "traefik.yaml").read_text())["http"]
    (router,) = http["routers"].values()
    balancer = http["services"][router["service"]]["loadBalancer"]
    assert balancer["passHostHeader"] is True
    assert len(balancer["servers"]) == 2
    assert balancer["healthCheck"]["path"] in MACHINES


def test_what_operations_name_is_there() -> None:
    operations = Path(ROOT / "docs/operations.md").read_text()
    named = set(re.findall(r"`(deploy/[\w.]+)`", operations))
    assert named == {f"deploy/{path.name}" for path in DEPLOY.iterdir()}


def unknown(names: Iterable[str]) -> list[str]:
    """Those of the variables that the server does not read."""
    known = (ROOT / "docs/settings.md").read_text()
    return [name for name in names if f"`{name}`" not in known]
