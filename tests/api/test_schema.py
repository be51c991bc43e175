"""The OpenAPI document is valid, complete, and what the views do."""

import json

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema

from authz.api.framework import schema
from tests.support.world import World

pytestmark = pytest.mark.any_database


OPEN = {"/api/v1/schema", "/api/v1/configuration_schema"}


@pytest.fixture
def document() -> dict:
    schema.document.cache_clear()
    GENERATOR_STATS.reset()
    made = schema.document()
    assert not GENERATOR_STATS, GENERATOR_STATS.emit_summary()
    return made


def test_it_is_a_valid_openapi_3_1_document(document: dict) -> None:
    assert document["openapi"] == "3.1.0"
    validate_schema(document)


def test_it_is_served_to_everyone(gatehouse: World) -> None:
    response = gatehouse.browser.get("/api/v1/schema")

    assert response.status_code == 200
    assert json.loads(response.content)["paths"].keys() == schema.document()["paths"].keys()


def test_every_operation_says_what_it_needs(document: dict) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert path in OPEN or operation["security"][0]["oauth2"], (path, method)
            assert operation["description"]


def test_no_schema_is_empty(document: dict) -> None:
    """An empty one says that everything is taken, which is true of no member."""
    found = []

    def walk(value: object, path: str) -> None:
        if value == {}:
            found.append(path)
        for key, inner in (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        ):
            walk(inner, f"{path}/{key}")

    walk(document, "")
    assert found == []


def test_every_operation_is_described_for_its_callers(document: dict) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            said = operation["description"].partition("\n\nPermission:")[0].strip()
            assert said and not said.startswith("Permission"), (method, path)


def test_a_secret_is_never_in_an_answer_but_where_it_is_made(document: dict) -> None:
    schemas = document["components"]["schemas"]
    assert "client_secret" in schemas["ClientRequest"]["properties"]
    for name, component in schemas.items():
        if not name.endswith("Request"):
            assert not {"client_secret", "password", "registration_tokens"} & set(component.get("properties", {})), name
