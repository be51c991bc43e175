"""How a token is issued: signed before the transaction, claimed and recorded in it, by every grant in the same way."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from authz import registry, tokens
from authz.authorizations import AuthorizationReference
from authz.database.transactions import unit_of_work
from authz.models import AuditEvent, Client, ProtectedResource, User
from authz.policy import Decision, DecisionReason, Outcome
from authz.protocol.errors import OAuthError, Reason
from authz.registry import TokenRequest
from authz.tokens import AccessToken
from tests.support.world import World

ALLOWED = Decision(effect=Outcome.ALLOW, reason=DecisionReason.ALLOWED, scopes=("mcp:read",))


def minted() -> AccessToken:
    client = Client.objects.get(client_id="nightly-report")
    return tokens.mint(
        TokenRequest(client=client, auth_method="client_secret_basic", params={}, now=1_900_000_000),
        grant_type="client_credentials",
        authorization=AuthorizationReference(uuid.uuid4(), None),
        sign_in=None,
        resource=ProtectedResource.objects.get(is_default=True),
        decision=ALLOWED,
    )


def issued() -> int:
    return AuditEvent.objects.filter(event="token:access:issued").count()


def claim() -> None:
    """Something that a grant writes before the token is issued."""
    User.objects.create(username="claimed")


def test_the_claim_comes_before_the_record(gatehouse: World) -> None:
    with tokens.issuing(minted()):
        assert issued() == 0
    assert issued() == 1


@pytest.mark.parametrize(
    ("raised", "kept"),
    [
        (OAuthError(Reason.CODE_REPLAYED), True),  # invariant 1: a refusal keeps what it wrote
        (RuntimeError("a crash"), False),
    ],
)
def test_a_body_that_raises_issues_nothing(gatehouse: World, raised: Exception, kept: bool) -> None:
    with pytest.raises(type(raised)), tokens.issuing(minted()):
        claim()
        raise raised
    assert issued() == 0
    assert User.objects.filter(username="claimed").exists() is kept


def test_a_token_whose_record_cannot_be_written_is_not_issued(
    gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = minted()

    def out_of_order(*_: object, **__: object) -> None:
        raise RuntimeError("the audit cannot write")

    monkeypatch.setattr("authz.audit.record", out_of_order)
    with pytest.raises(RuntimeError, match="the audit"), tokens.issuing(token):
        claim()
    assert not User.objects.filter(username="claimed").exists()


def test_a_token_is_not_signed_inside_a_transaction(gatehouse: World) -> None:
    with pytest.raises(RuntimeError, match="signed before"), unit_of_work():
        minted()


@pytest.mark.any_database
def test_every_grant_issues_by_the_same_two_calls() -> None:
    """A grant either writes the record alone, or issues inside `tokens.issuing`. It records no issuance by itself."""
    for name, grant in registry.grants().items():
        source = Path(str(grant.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
        uses: Callable[[str], bool] = source.__contains__
        assert uses("with tokens.issuing(") or uses("token.record()"), name
        assert not uses("TOKEN_ISSUED"), name
