"""Agents over HTTP: registering one's own, the lifecycle, and what no developer may."""

import json
from collections.abc import Callable

import pytest

from authz.models import AuditEvent, Client, User
from tests.api.conftest import PEOPLE, Caller, problem
from tests.support import world
from tests.support.world import SECRET, World

Person = Callable[[str], Caller]
MACHINE = {"client_name": "Digest", "grant_types": ["client_credentials"]}


@pytest.fixture
def erin(person: Person) -> Caller:
    return person("developer")


def made(caller: Caller, **members: object) -> dict:
    response = caller("POST", "agents", {**MACHINE, **members})
    assert response.status_code == 201, response.content
    return json.loads(response.content)


def of_another_owner(**fields: object) -> Client:
    frank = User.objects.create(username="frank", role="developer")
    return Client.objects.create(client_id="franks", owner=frank, grant_types=["client_credentials"], **fields)


def test_a_developer_registers_an_agent_that_waits(erin: Caller, gatehouse: World) -> None:
    agent = made(erin)

    assert (agent["status"], agent["owner"]) == ("pending", "erin")
    row = Client.objects.get(client_id=agent["client_id"])
    assert row.has_secret(agent["client_secret"])
    assert "client_secret" not in erin.get(f"agents/{agent['id']}")
    response = gatehouse.token(basic=(agent["client_id"], agent["client_secret"]), grant_type="client_credentials")
    assert json.loads(response.content)["error"] == "unauthorized_client"
    assert AuditEvent.objects.filter(event="configuration:object:created").latest("id").detail["by"] == "erin"


def test_an_agent_with_keys_needs_no_secret(erin: Caller) -> None:
    jwks = json.loads(world.configuration().split("jwks: ")[1].splitlines()[0])

    agent = made(erin, token_endpoint_auth_method="private_key_jwt", jwks=jwks)

    assert "client_secret" not in agent
    assert set(agent["jwks"]["keys"][0]) <= {"kty", "crv", "x", "y", "alg", "use"}


def test_a_private_key_is_never_taken(erin: Caller) -> None:
    jwks = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "d": "A" * 43}]}

    response = erin("POST", "agents", {**MACHINE, "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks})

    assert response.status_code == 422


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("status", "approved"),
        ("owner", "alice"),
        ("client_secret", SECRET),
        ("client_secret_env", "GATEHOUSE_SECRET_KEY"),
        ("secret_digest", "0" * 64),
        ("registration_source", "cimd"),
        ("consent_digest", "0" * 64),
        ("reuse_assertions", True),
        ("approved_until", "2099-01-01T00:00:00Z"),
        ("id", 1),
        ("pk", 1),
    ],
)
def test_a_registration_writes_only_its_own_attributes(erin: Caller, member: str, value: object) -> None:
    before = Client.objects.count()

    response = erin("POST", "agents", {**MACHINE, member: value})

    assert response.status_code == 422
    assert problem(response)["errors"] == [{"pointer": f"#/{member}", "detail": "is not a known member here"}]
    assert Client.objects.count() == before
    agent = made(erin)
    assert erin("PATCH", f"agents/{agent['id']}", {member: value}, if_match="*").status_code == 422


@pytest.mark.parametrize(
    "client_id", ["https://example.com/client.json", "a b", "x/../y", "ü", 5, ["a"], "nightly-report"]
)
def test_a_registration_takes_no_id_that_is_not_free(erin: Caller, client_id: object) -> None:
    response = erin("POST", "agents", {**MACHINE, "client_id": client_id})

    assert response.status_code in {409, 422}
    assert world.client("nightly-report").owner_id == world.person("alice").pk
    assert world.client("nightly-report").has_secret(SECRET)


@pytest.mark.parametrize(
    "uri", ["cursor://callback", "javascript:alert(1)", "http://evil.example/", "https://a.example/#f"]
)
def test_a_developer_names_no_private_scheme(erin: Caller, uri: str) -> None:
    agent = {"grant_types": ["authorization_code"], "token_endpoint_auth_method": "none", "redirect_uris": [uri]}

    assert erin("POST", "agents", agent).status_code == 422


def test_a_developer_sees_and_touches_only_their_own(erin: Caller) -> None:
    agent = made(erin)
    theirs = of_another_owner(status="pending")

    assert [item["client_id"] for item in erin.get("agents")["items"]] == [agent["client_id"]]
    assert [item["client_id"] for item in erin.get("configuration/clients")["items"]] == [agent["client_id"]]
    for method, path in (
        ("GET", f"agents/{theirs.pk}"),
        ("PATCH", f"agents/{theirs.pk}"),
        ("POST", f"agents/{theirs.pk}/secret"),
        ("GET", "configuration/clients/franks"),
        ("GET", "agents/999999"),
    ):
        assert erin(method, path, {} if method == "PATCH" else None, if_match="*").status_code == 404
    assert erin.get("agents?owner=frank")["items"] == []
    assert world.client("franks").secret_digest == ""


def test_a_developer_changes_their_agent_until_it_is_approved(erin: Caller) -> None:
    agent = made(erin)
    path = f"agents/{agent['id']}"

    assert erin("PATCH", path, {"client_name": "Better"}).status_code == 428
    assert erin("PATCH", path, {"client_name": "Better"}, if_match=erin.etag(path)).status_code == 200
    Client.objects.filter(pk=agent["id"]).update(status="approved")
    response = erin("PATCH", path, {"client_name": "Other"}, if_match="*")

    assert response.status_code == 403
    assert Client.objects.get(pk=agent["id"]).name == "Better"


def test_a_change_of_owner_takes_an_agent_away_at_once(erin: Caller) -> None:
    agent = made(erin)
    Client.objects.filter(pk=agent["id"]).update(owner=world.person("alice"))

    assert erin("PATCH", f"agents/{agent['id']}", {"client_name": "Mine"}, if_match="*").status_code == 404


@pytest.mark.parametrize("role", PEOPLE)
def test_a_person_cannot_approve_their_own_agent(person: Person, role: str) -> None:
    caller = person(role)
    me = User.objects.get(username=PEOPLE[role])
    mine = Client.objects.create(client_id="mine", owner=me, grant_types=["client_credentials"])

    response = caller("POST", f"agents/{mine.pk}/approve", {})
    caller.browser.post(f"/console/authz/client/{mine.pk}/switch/approved/")
    caller.browser.post(
        "/console/authz/client/", {"action": "approve_selected", "_selected_action": [mine.pk], "post": "yes"}
    )

    assert response.status_code == 403
    assert world.client("mine").status == "pending"


@pytest.mark.parametrize(("verb", "status"), [("approve", "approved"), ("suspend", "suspended"), ("retire", "retired")])
def test_an_approver_moves_an_agent(person: Person, verb: str, status: str) -> None:
    caller = person("approver")
    agent = world.client("pending-agent")

    terms = {"owner": "alice", "environment": "production"} if verb == "approve" else None

    response = caller("POST", f"agents/{agent.pk}/{verb}", terms)

    assert (response.status_code, json.loads(response.content)["status"]) == (200, status)
    event = AuditEvent.objects.filter(event=f"agent:status:{status}").get()
    assert event.detail["by"] == "bob"
    # Approving once more is renewing.
    assert caller("POST", f"agents/{agent.pk}/{verb}").status_code == (200 if verb == "approve" else 409)


MEANWHILE = [
    {"name": "Payroll"},
    {"redirect_uris": "https://evil.example/callback"},
    {"grant_types": ["client_credentials", "authorization_code"]},
    {"scope": ["mcp:write"]},
    {"client_jwks_uri": "https://evil.example/jwks"},
    {"token_endpoint_auth_method": "none"},
]


@pytest.mark.parametrize("change", MEANWHILE)
@pytest.mark.parametrize("verb", ["approve", "suspend", "retire"])
def test_a_decision_by_the_api_is_for_the_version_that_was_read(person: Person, verb: str, change: dict) -> None:
    """Attack 31: its owner makes something else of it between the look and the approval."""
    caller, path = person("approver"), f"agents/{world.client('pending-agent').pk}"
    seen, terms = caller.etag(path), {"owner": "alice"} if verb == "approve" else None
    Client.objects.filter(client_id="pending-agent").update(**change)

    assert caller("POST", f"{path}/{verb}", terms, if_match=seen).status_code == 412
    assert world.client("pending-agent").status == "pending"
    assert caller("POST", f"{path}/{verb}", terms, if_match=caller.etag(path)).status_code == 200


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({}, 422),
        ({"owner": "bob"}, 403),
        ({"owner": "nobody"}, 422),
        ({"owner": 5}, 422),
        ({"owner": "alice", "until": "2020-01-01T00:00:00Z"}, 422),
        ({"owner": "alice", "until": "2999-01-01T00:00:00Z"}, 422),
        ({"owner": "alice", "until": "tomorrow"}, 422),
        ({"owner": "alice", "approved_by": "alice"}, 422),
    ],
)
def test_an_approval_has_an_owner_who_is_another_and_an_end(person: Person, terms: dict, status: int) -> None:
    response = person("approver")("POST", f"agents/{world.client('pending-agent').pk}/approve", terms)

    assert response.status_code == status
    assert world.client("pending-agent").status == "pending"


def test_a_person_cannot_renew_their_own_agent_by_configuration(person: Person) -> None:
    response = person("administrator")(
        "PATCH", "configuration/clients/nightly-report", {"approved_until": "2999-01-01"}, if_match="*"
    )

    assert response.status_code == 403
    assert world.client("nightly-report").approved_until is None


def test_an_agent_of_a_document_is_not_edited_here(person: Person) -> None:
    row = Client.objects.create(client_id="https://a.example/c.json", registration_source="cimd", status="approved")

    response = person("administrator")("PATCH", f"agents/{row.pk}", {"client_name": "x"}, if_match="*")

    assert response.status_code == 409
    assert person("administrator")("POST", f"agents/{row.pk}/secret").status_code == 409


def test_a_new_secret_replaces_the_one_before(erin: Caller) -> None:
    agent = made(erin)

    answer = json.loads(erin("POST", f"agents/{agent['id']}/secret").content)

    row = Client.objects.get(pk=agent["id"])
    assert row.has_secret(answer["client_secret"])
    assert not row.has_secret(agent["client_secret"])
    assert (
        AuditEvent.objects.filter(event="agent:secret:made", client_id=agent["client_id"]).get().detail["by"] == "erin"
    )
    assert answer["client_secret"] not in str(list(AuditEvent.objects.values_list("detail", flat=True)))


def test_an_approver_registers_and_changes_no_agent(person: Person) -> None:
    caller = person("approver")
    agent = world.client("pending-agent")

    assert caller("POST", "agents", MACHINE).status_code == 403
    assert caller("PATCH", f"agents/{agent.pk}", {"client_name": "x"}, if_match="*").status_code == 403
    assert caller("POST", f"agents/{agent.pk}/secret").status_code == 403


def test_agents_are_found_by_their_attributes(person: Person) -> None:
    caller = person("auditor")

    assert [item["client_id"] for item in caller.get("agents?status=pending")["items"]] == ["pending-agent"]
    assert [item["client_id"] for item in caller.get("agents?owner=alice")["items"]] == ["nightly-report"]
    assert caller.get("agents?kind=cimd")["items"] == []


KINDS = {
    # registration_source, token_endpoint_auth_method, grant_types
    "registered": ("manual", "client_secret_basic", ["client_credentials"]),
    "dynamic": ("dcr", "none", ["authorization_code"]),
    "cimd": ("cimd", "none", ["urn:ietf:params:oauth:grant-type:jwt-bearer"]),
    "workload": ("manual", "none", ["urn:ietf:params:oauth:grant-type:jwt-bearer"]),
}


@pytest.mark.parametrize(
    ("word", "kind"), [*((kind, kind) for kind in KINDS), ("manual", "registered"), ("dcr", "dynamic")]
)
def test_agents_are_found_by_the_kind_that_answers_say(person: Person, word: str, kind: str) -> None:
    Client.all_objects.all().delete()
    for name, (source, method, grants) in KINDS.items():
        Client.objects.create(
            client_id=name, registration_source=source, token_endpoint_auth_method=method, grant_types=grants
        )

    found = person("auditor").get(f"agents?kind={word}")["items"]

    assert [(item["client_id"], item["kind"]) for item in found] == [(kind, kind)]


def test_another_kind_is_refused_with_those_that_there_are(person: Person) -> None:
    answer = person("auditor")("GET", "agents?kind=machine")
    assert answer.status_code == 422
    assert "registered, dynamic, cimd, workload" in answer.content.decode()
