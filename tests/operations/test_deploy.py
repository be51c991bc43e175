"""The files to deploy with name what exists, and hold no secret."""

import re
from pathlib import Path

import pytest
import yaml

from demo.processes import ROOT

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
    (install,) = [line for line in (ROOT / file).read_text().splitlines() if "--require-hashes" in line]
    assert "--no-deps" in install


def test_every_app_of_ours_is_in_the_image() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    for apps in ROOT.glob("*/apps.py"):
        assert f"COPY {apps.parent.name} " in dockerfile


def test_the_composition_takes_secrets_from_outside_and_sets_what_settings_know() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    known = (ROOT / "docs/settings.md").read_text()
    environment = document["services"]["gatehouse"]["environment"]
    assert [name for name in environment if f"`{name}`" not in known] == []
    assert environment["GATEHOUSE_SECRET_KEY"] == "${GATEHOUSE_SECRET_KEY:?}"
    assert document["services"]["gatehouse"]["read_only"]


def test_the_audits_files_survive_the_container() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    volume, _, folder = document["services"]["gatehouse"]["volumes"][0].partition(":")
    assert volume in document["volumes"]
    assert folder == "/srv/gatehouse/var/audit"
    assert "--owner=gatehouse var var/audit" in (DEPLOY / "Dockerfile").read_text()
    # No pg_dump of bookworm (15) takes a backup of a newer server.
    server = int(document["services"]["database"]["image"].partition(":")[2])
    assert f"trixie has {server}" in (DEPLOY / "Dockerfile").read_text()


def test_what_operations_name_is_there() -> None:
    operations = Path(ROOT / "docs/operations.md").read_text()
    named = set(re.findall(r"`(deploy/[\w.]+)`", operations))
    assert named == {f"deploy/{path.name}" for path in DEPLOY.iterdir()}
