"""`manage.py xaa inspect`: an issuer before it is trusted."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from authz.conf import conf
from tests.xaa.company import IDP
from tests.xaa.set_up import upstream
from tests.xaa.upstream import LOGIN, Upstream

__all__ = ["upstream"]


def inspected(*options: str) -> str:
    out = io.StringIO()
    call_command("xaa", "inspect", IDP, *options, stdout=out)
    return out.getvalue()


def test_it_says_what_is_there_and_what_to_copy(upstream: Upstream) -> None:
    said = inspected()
    assert "ok   Its metadata is there, and names this very issuer." in said
    assert f"Redirect URI: {conf.origin}{LOGIN}callback/" in said
    assert f"Audience: {conf.issuer}" in said


def test_programs_read_the_same(upstream: Upstream) -> None:
    said = json.loads(inspected("--json"))
    assert said["is_usable"] is True
    assert said["redirect_uri"] == f"{conf.origin}{LOGIN}callback/"
    assert {found["level"] for found in said["findings"]} <= {"good", "warning"}


def test_one_that_is_of_no_use_is_a_failure(upstream: Upstream) -> None:
    """Attack 34: metadata of another issuer."""
    upstream.metadata["issuer"] = "https://other.example"
    with pytest.raises(CommandError, match="could not sign in"):
        inspected()
