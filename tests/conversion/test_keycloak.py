"""A realm of Keycloak becomes a file that `apply` takes, and nothing of it allows more than it did there."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authz.configuration import ConfigurationError, apply
from authz.conversion import Draft, NotAnExportError, keycloak
from authz.models import Client, ProtectedResource, Rule

REALM = Path(__file__).with_name("keycloak-realm.json")
SECRET = "0123456789-0123456789-0123456789"


def app(**more: Any) -> dict[str, Any]:
    """A public client by which people sign in."""
    return {
        "clientId": "app",
        "protocol": "openid-connect",
        "publicClient": True,
        "standardFlowEnabled": True,
        "redirectUris": ["https://app.example.com/callback"],
        **more,
    }


def machine(**more: Any) -> dict[str, Any]:
    return {"clientId": "job", "publicClient": False, "serviceAccountsEnabled": True, "secret": SECRET, **more}


def converted(*clients: dict[str, Any], **realm: Any) -> Draft:
    return keycloak.convert({"realm": "acme", "clients": list(clients), **realm})


def only(client: dict[str, Any]) -> dict[str, Any]:
    (found,) = converted(client).clients
    return found


def said(draft: Draft) -> str:
    return "\n".join(map(str, draft.left_out))


def scope(name: str, audience: str, **config: str) -> dict[str, Any]:
    mapper = {
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": audience, "access.token.claim": "true", **config},
    }
    return {"name": name, "protocol": "openid-connect", "protocolMappers": [mapper]}


class TestTheCommand:
    def test_its_file_is_applied_and_nothing_is_allowed_by_it(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        out, remarks = StringIO(), StringIO()
        call_command("convert", "keycloak", str(REALM), stdout=out, stderr=remarks)
        monkeypatch.setenv("SECRET_NIGHTLY_REPORT", SECRET)
        apply(out.getvalue())
        assert set(Client.objects.values_list("client_id", flat=True)) == {"nightly-report", "desktop"}
        (server,) = ProtectedResource.objects.all()
        assert server.identifier == "https://notes.example.com/mcp"
        assert set(server.scopes.values_list("name", "description")) == {
            ("notes:read", "Read notes"),
            ("notes:write", "Change notes"),
        }
        assert set(Rule.objects.values_list("enabled", flat=True)) == {False}
        assert "1 MCP server, 2 disabled rules." in remarks.getvalue()

    def test_it_writes_nothing(self, db: None) -> None:
        call_command("convert", "keycloak", str(REALM), stdout=StringIO(), stderr=StringIO())
        assert not Client.objects.exists()

    def test_secrets_are_printed_only_when_asked_for(self, db: None) -> None:
        secret = json.loads(REALM.read_text())["clients"][1]["secret"]
        for options in ([], ["--secrets"]):
            out = StringIO()
            call_command("convert", "keycloak", str(REALM), *options, stdout=out, stderr=StringIO())
            assert (secret in out.getvalue()) is bool(options)

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("{", "is not JSON."),
            ("[" * 200_000, "is not JSON."),
            ("[]", "This is not an export of Keycloak: it has no realm with clients."),
            ('{"realm": "acme", "clients": []}', "No client in it can be carried over."),
            ('{"realm": "acme", "clients": [7, null]}', "No client in it can be carried over."),
        ],
    )
    def test_what_is_no_export_is_one_sentence(self, tmp_path: Path, text: str, sentence: str) -> None:
        (file := tmp_path / "realm.json").write_text(text)
        with pytest.raises(CommandError, match=sentence):
            call_command("convert", "keycloak", str(file), stdout=StringIO(), stderr=StringIO())


class TestRealms:
    def test_one_of_several_has_to_be_chosen(self) -> None:
        both = [{"realm": name, "clients": [app(clientId=f"{name}-app")]} for name in ("acme", "test")]
        with pytest.raises(NotAnExportError, match="acme, test: choose one with --realm"):
            keycloak.convert(both)
        assert keycloak.convert(both, realm="test").clients[0]["client_id"] == "test-app"
        with pytest.raises(NotAnExportError, match="it has acme, test"):
            keycloak.convert(both, realm="production")

    def test_the_export_of_one_client(self) -> None:
        assert [client["client_id"] for client in keycloak.convert(app()).clients] == ["app"]

    def test_what_keycloak_has_for_itself_is_not_named(self) -> None:
        draft = converted(app(), *(app(clientId=name) for name in sorted(keycloak.ITS_OWN)))
        assert [client["client_id"] for client in draft.clients] == ["app"]
        assert not draft.left_out


class TestGrants:
    @pytest.mark.parametrize(
        ("client", "grants"),
        [
            (app(), ["authorization_code", "refresh_token"]),
            (app(attributes={"use.refresh.tokens": "false"}), ["authorization_code"]),
            (machine(), ["client_credentials"]),
            (app(serviceAccountsEnabled=True), ["authorization_code", "refresh_token"]),
            (
                machine(standardFlowEnabled=True, redirectUris=["https://a.example/"]),
                ["authorization_code", "refresh_token", "client_credentials"],
            ),
        ],
    )
    def test_those_that_are_there_in_both(self, client: dict[str, Any], grants: list[str]) -> None:
        assert only(client)["grant_types"] == grants

    @pytest.mark.parametrize(
        ("lost", "what"),
        [
            ({"implicitFlowEnabled": True}, "the implicit flow"),
            ({"directAccessGrantsEnabled": True}, "passwords"),
            ({"attributes": {"oauth2.device.authorization.grant.enabled": "true"}}, "the device grant"),
            ({"attributes": {"oidc.ciba.grant.enabled": "true"}}, "CIBA"),
            ({"attributes": {"standard.token.exchange.enabled": "true"}}, "token exchange"),
            ({"attributes": {"oauth2.jwt.authorization.grant.enabled": "true"}}, "JWT grant"),
        ],
    )
    def test_the_others_are_lost_and_named(self, lost: dict[str, Any], what: str) -> None:
        draft = converted(app(**lost))
        assert draft.clients[0]["grant_types"] == ["authorization_code", "refresh_token"]
        assert what in said(draft)
        without = converted(app(standardFlowEnabled=False, **lost))
        assert not without.clients
        assert "it has no grant that this server has" in said(without)


class TestClients:
    @pytest.mark.parametrize(
        ("client", "why"),
        [
            (app(protocol="saml"), "It speaks saml."),
            (app(publicClient=False, bearerOnly=True), "It is bearer-only"),
            (machine(clientAuthenticatorType="client-x509"), "It authenticates by client-x509"),
            (machine(clientAuthenticatorType="client-secret-jwt"), "It authenticates by client-secret-jwt"),
            (app(clientId="5a6c3f5e-3c71-4c4b-8a7f-0a2b7c8d9e10"), "is a UUID, as people's subjects are"),
            (app(clientId="über"), "has characters other than printable ASCII"),
            (app(clientId=["app"]), "has characters other than printable ASCII"),
        ],
    )
    def test_those_that_cannot_be_ours(self, client: dict[str, Any], why: str) -> None:
        draft = converted(client)
        assert not draft.clients
        assert why in said(draft)

    def test_one_that_was_disabled_stays_so(self) -> None:
        assert only(app(enabled=False))["status"] == "suspended"

    @pytest.mark.parametrize("secret", ["", "**********", "${vault.job}", "short", "x" * 600, None])
    def test_a_secret_that_cannot_be_used_is_asked_for(self, secret: str | None) -> None:
        draft = keycloak.convert({"realm": "acme", "clients": [machine(secret=secret)]}, has_secrets=True)
        assert draft.clients[0]["client_secret_env"] == "SECRET_JOB"
        assert "client_secret" not in draft.clients[0]
        assert "Put a new one into SECRET_JOB" in said(draft)

    def test_each_has_a_variable_of_its_own(self) -> None:
        found = converted(machine(clientId="a-job"), machine(clientId="a.job"), machine(clientId="---"))
        names = [client["client_secret_env"] for client in found.clients]
        assert names == ["SECRET_A_JOB", "SECRET_A_JOB_2", "SECRET_OF_A_CLIENT"]

    def test_signed_assertions(self, db: None) -> None:
        published = {"use.jwks.url": "true", "jwks.url": "https://job.example/keys"}
        found = only(machine(clientAuthenticatorType="client-jwt", attributes=published))
        assert found["token_endpoint_auth_method"] == "private_key_jwt"
        assert found["jwks_uri"] == "https://job.example/keys"
        draft = converted(machine(clientAuthenticatorType="client-jwt"))
        assert "has to be written as `jwks` or `jwks_uri`" in said(draft)
        with pytest.raises(ConfigurationError, match="private_key_jwt needs jwks or jwks_uri"):
            apply(draft.as_yaml())


class TestRedirectUris:
    @pytest.mark.parametrize(
        ("given", "root", "kept"),
        [
            ("https://app.example.com/callback", "", "https://app.example.com/callback"),
            ("/callback", "https://app.example.com/", "https://app.example.com/callback"),
            ("http://127.0.0.1:3000/callback", "", "http://127.0.0.1:3000/callback"),
            ("com.example.app:/callback", "", "com.example.app:/callback"),
        ],
    )
    def test_exact_ones_are_kept(self, given: str, root: str, kept: str) -> None:
        assert only(app(redirectUris=[given], rootUrl=root))["redirect_uris"] == [kept]

    @pytest.mark.parametrize(
        "given",
        [
            "*", "https://app.example.com/*", "https://*.example.com/callback", "http://localhost:*/callback", "/*",
            "/callback", "http://app.example.com/callback", "https://app.example.com/#x", "javascript:alert(1)",
            "https://user@app.example.com/", "${authBaseUrl}/callback",
        ],
    )  # fmt: skip
    def test_others_are_left_out_and_apply_asks_for_exact_ones(self, db: None, given: str) -> None:
        """Attack: a wildcard that is taken over lets any page below it receive codes."""
        draft = converted(app(redirectUris=[given]))
        assert "redirect_uris" not in draft.clients[0]
        assert "is left out: " in said(draft)
        with pytest.raises(ConfigurationError, match="needs at least one redirect URI"):
            apply(draft.as_yaml())

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("+", ["https://app.example.com/callback"]),
            ("https://app.example.com/bye##/bye", ["https://app.example.com/bye", "https://app.example.com/bye"]),
            ("-", []),
            ("https://app.example.com/*", []),
        ],
    )
    def test_where_logout_leads(self, given: str, kept: list[str]) -> None:
        client = app(rootUrl="https://app.example.com", attributes={"post.logout.redirect.uris": given})
        assert only(client).get("post_logout_redirect_uris", []) == list(dict.fromkeys(kept))


class TestScopes:
    NOTES = "https://notes.example.com/mcp"

    def test_the_audience_says_which_server_has_it(self) -> None:
        holder = machine(optionalClientScopes=["notes:read", "roles"])
        draft = converted(holder, clientScopes=[scope("notes:read", self.NOTES)])
        assert [item["identifier"] for item in draft.resources] == [self.NOTES]
        assert draft.clients[0]["scope"] == "notes:read"
        (rule,) = draft.rules
        assert (rule["enabled"], rule["clients"], rule["scopes"]) == (False, ["job"], ["notes:read"])
        assert "users" not in rule

    def test_a_client_without_one_leaves_it_to_the_rules(self) -> None:
        draft = converted(app(defaultClientScopes=["profile", "roles"]))
        assert "scope" not in draft.clients[0]
        assert not draft.rules

    @pytest.mark.parametrize("audience", ["notes-api", "http://notes.example.com", "HTTPS://notes.example.com", ""])
    def test_an_audience_that_is_no_server(self, audience: str) -> None:
        draft = converted(app(), clientScopes=[scope("notes:read", audience)])
        assert not draft.resources
        assert "client scope notes:read" in said(draft)

    def test_an_audience_of_id_tokens_alone(self) -> None:
        only_id = scope("notes:read", self.NOTES, **{"access.token.claim": "false"})
        assert not converted(app(), clientScopes=[only_id]).resources

    def test_a_client_with_a_mapper_of_its_own(self) -> None:
        mappers = scope("", self.NOTES)["protocolMappers"]
        assert converted(app(protocolMappers=mappers)).resources == [{"identifier": self.NOTES, "scopes": []}]

    @pytest.mark.parametrize("client_id", ["*", "kind:cimd", "owner:alice", "host:*.example.com"])
    def test_no_rule_for_a_client_that_calls_itself_a_pattern(self, client_id: str) -> None:
        """Attack: a client called `*` in an export becomes a rule for all agents."""
        holder = machine(clientId=client_id, defaultClientScopes=["notes:read"])
        draft = converted(holder, clientScopes=[scope("notes:read", self.NOTES)])
        assert not draft.rules
        assert "reads as a pattern" in said(draft)

    def test_no_scope_that_is_every_scope(self) -> None:
        """Attack: a client scope called `*` becomes a rule for all scopes."""
        draft = converted(machine(defaultClientScopes=["*"]), clientScopes=[scope("*", self.NOTES)])
        assert (draft.resources, draft.rules) == ([], [])


def test_names_cannot_write_into_the_file_or_the_terminal() -> None:
    """Attack: line breaks and control characters in an export, which the operator reads and applies."""
    draft = keycloak.convert(
        {"realm": "acme\nclients: []", "clients": [app(name="a\nb\x1b[2J"), app(clientId="x\x1b[2J")]}
    )
    assert draft.as_yaml().startswith("# From Keycloak, realm acme clients: []. ")
    assert "\x1b" not in draft.as_yaml() + said(draft)
