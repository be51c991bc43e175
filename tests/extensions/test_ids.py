"""Ids of extensions: MCP's form, in a namespace of one's own."""

import pytest

from authz.protocol.extension_ids import LONGEST, problem


@pytest.mark.parametrize("identifier", ["com.example/patient-consent", "org.clinic.it/x2", "com.example.mcp/a"])
def test_an_id_of_ones_own_domain(identifier: str) -> None:
    assert problem(identifier) == ""


@pytest.mark.parametrize(
    ("identifier", "says"),
    [
        ("com.example.patient-consent", "is no id such as"),
        ("patient-consent", "is no id such as"),
        ("com/patient-consent", "is no id such as"),
        ("com.example/", "is no id such as"),
        ("com.example/Patient", "is no id such as"),
        ("com.example/patient_consent", "is no id such as"),
        ("com.exаmple/consent", "is no id such as"),  # a Cyrillic letter
        ("com.example/consent\n", "is no id such as"),
        ("com.-example/consent", "is no id such as"),
        ("com.example/a/b", "is no id such as"),
        ("com.example/a:b", "is no id such as"),
        ("", "is no id such as"),
        ("io.modelcontextprotocol/tasks", "MCP’s own"),
        ("com.mcp.tools/x", "MCP’s own"),
        ("dev.mcp/x", "MCP’s own"),
        ("io.gatehouse/x", "this server’s own"),
        (f"com.example/{'x' * LONGEST}", "at most 40"),
    ],
)
def test_attack_an_id_that_is_malformed_or_of_others(identifier: str, says: str) -> None:
    assert says in problem(identifier)
