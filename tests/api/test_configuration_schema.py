"""The JSON Schema of the configuration file takes what `apply` takes, and refuses what is misspelt."""

import re

import jsonschema
import pytest
import yaml
from django.test import Client as Browser

from authz.api.configuration_schema import schema
from authz.configuration import all_sections
from authz.configuration.sections import exported
from demo.processes import ROOT
from tests.support.world import World, configuration

pytestmark = pytest.mark.any_database


def mistakes(document: object) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema()).iter_errors(document)]


def test_it_is_a_json_schema_with_every_section(gatehouse: World) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert list(schema()["properties"]) == [section.KEY for section in all_sections()]
    assert Browser().get("/api/v1/configuration_schema").json() == schema()


def test_it_takes_what_apply_takes_and_what_export_writes(gatehouse: World) -> None:
    assert mistakes(yaml.safe_load(configuration())) == []
    assert mistakes(exported()) == []


def test_it_takes_the_example_of_the_documents() -> None:
    example = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/configuration.md").read_text(), re.S | re.M)[-1]
    assert mistakes(yaml.safe_load(example)) == []


@pytest.mark.parametrize(
    "text",
    [
        "client: []",
        "clients: [{client_id: x, redirect_uri: []}]",
        "clients: [{client_id: x, status: aproved}]",
        "clients: [{}]",
        "users: alice",
        "rules: [{name: R, effect: permit}]",
        "rules: [{name: R, effect: allow, clients: x}]",
        "rules: [{name: R, effect: allow, conditions: {network: []}}]",
        "cimd: {trusted_host: []}",
    ],
)
def test_it_refuses_what_apply_refuses(text: str) -> None:
    assert mistakes(yaml.safe_load(text)) != []
