import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from authz.configuration import apply, export
from authz.models import UsedAssertion
from tests.support.world import NOTES
from tests.xaa.company import AGENT, Company
from xaa.explain import explain
from xaa.models import SubjectLink, TrustedIssuer


def explained(assertion: str, **options: Any) -> str:
    out = io.StringIO()
    try:
        call_command("xaa", "explain", assertion, stdout=out, no_color=True, **options)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


def test_a_good_id_jag_passes_every_check_and_is_not_used_up(company: Company) -> None:
    assertion = company.idp.id_jag(scope="mcp:read")
    said = explained(assertion)
    assert "NO" not in said
    assert "It would be accepted." in said
    assert "linked by the verified address" in said
    assert "Engineers reach Notes across apps" in said
    assert not UsedAssertion.objects.exists()
    assert not SubjectLink.objects.exists()
    assert company.redeem_assertion(assertion).status_code == 200
    assert "NO   it has not been used before" in explained(assertion)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"iss": "https://other.example"}, "NO   its issuer is trusted (issuer_untrusted: https://other.example)"),
        ({"aud": "https://other.example"}, "NO   it is for us (assertion_audience: it is for"),
        ({"exp": 1_000, "iat": 900}, "NO   it is in time (assertion_expired: iat"),
        ({"client_id": "public-agent"}, "NO   its client authenticates (client_is_public: public-agent"),
        ({"client_id": "unknown"}, "NO   the client that presents it is known (client_unknown: unknown)"),
        ({"resource": []}, "NO   its resource is well formed (assertion_claim: resource)"),
        (
            {"resource": "https://x.example/mcp"},
            "NO   its resource is ours (assertion_resource_unknown: https://x.example/mcp)",
        ),
        ({"sub": "nobody", "email": None}, "NO   its subject is a person of this server (subject_not_linked"),
        ({"scope": "mcp:write"}, "NO   policy allows it (no_rule_allows: no rule)"),
    ],
)
def test_it_says_what_is_wrong(company: Company, changes: dict[str, Any], line: str) -> None:
    said = explained(company.idp.id_jag(**changes))
    assert line in said
    assert "It would be refused" in said


def test_it_goes_on_after_the_first_refusal(company: Company) -> None:
    said = explained(company.idp.id_jag(aud="https://other.example", jti=None))
    assert "NO   it is for us" in said
    assert "NO   it has an id of its own" in said


def test_it_says_what_another_client_would_get(company: Company) -> None:
    said = explained(company.idp.id_jag(), client="charlies-agent")
    assert "NO   its client presents it (assertion_of_another_client: it is for agent" in said


def test_the_request_may_name_the_resource_where_the_id_jag_does_not(company: Company) -> None:
    """As Okta's: without a default resource, only the request says which it is."""
    item = next(one for one in yaml.safe_load(export())["resources"] if one["identifier"] == NOTES)
    apply(json.dumps({"resources": [{**item, "default": False}]}))
    assertion = company.idp.id_jag(resource=None)
    assert "NO   its resource is ours (resource_missing" in explained(assertion)
    assert "It would be accepted." in explained(assertion, resource=NOTES)
    unknown = "https://unknown.example/mcp"
    assert f"NO   its resource is ours (resource_unknown: {unknown})" in explained(assertion, resource=unknown)


def test_it_explains_workloads(company: Company) -> None:
    assert "NO" not in explained(company.idp.workload()).replace("Notes", "")
    assert "NO   it is a workload that is bound to a client" in explained(company.idp.workload(sub="spiffe://x"))
    TrustedIssuer.objects.update(accepts=["id-jag"])
    assert "NO   the issuer is trusted for this (workload)" in explained(company.idp.workload())


def test_it_never_shows_the_assertion(company: Company, tmp_path: Path) -> None:
    assertion = company.idp.id_jag()
    file = tmp_path / "assertion.jwt"
    file.write_text(assertion + "\n")
    said = explained(str(file))
    assert "It would be accepted." in said
    assert not any(part in said for part in assertion.split("."))


def test_it_says_when_there_is_nothing_to_explain(company: Company) -> None:
    assert "is neither an assertion nor a file" in explained("nothing.jwt")
    assert "NO   it can be read (assertion_malformed)" in explained("a.b.c")
    assert AGENT[1] not in explained(company.idp.id_jag())


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"aud": "https://other.example"}, "it is for https://other.example, and we are http://127.0.0.1:8000/o"),
        ({"client_id": "charlies-agent-there"}, "it is for charlies-agent-there, and agent presents it"),
        ({"exp": 1_700_000_300, "iat": 1_700_000_000}, "30 s are forgiven"),
        ({"sub": "unknown", "email": None}, "sub unknown, no address; the issuer matches by sub, email"),
    ],
)
def test_what_is_wrong_is_told_beside_what_would_be_right(company: Company, changes: dict[str, Any], seen: str) -> None:
    assertion = company.idp.id_jag(**changes)
    wrong = [finding for finding in explain(assertion, client_id="agent", now=time.time()) if not finding.passed]
    assert len(wrong) == 1
    assert seen in wrong[0].note
    assert assertion not in wrong[0].note
