"""Signing in by a trusted issuer, through django-allauth's own flow."""

from typing import Any

import pytest
from allauth.core import context
from allauth.socialaccount.internal.flows.login import complete_login
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from authz.models import AuditEvent, User
from authz.sign_in import session
from authz.sign_in.browser_sessions import SessionStore
from tests.support.world import claims, person
from tests.xaa.company import IDP, Company
from xaa.models import Session, SubjectLink, TrustedIssuer

ID_TOKEN = {"iss": IDP, "sub": "bob-at-idp", "aud": "gatehouse", "acr": "mfa"}
USERINFO = {"sub": "bob-at-idp", "email": "bob@example.com", "email_verified": True}


def signed_in(process: str = "login", **said: Any) -> tuple[HttpRequest, HttpResponse]:
    request = RequestFactory().get("/accounts/oidc/corp/login/callback/")
    request.session = SessionStore()
    request.user = AnonymousUser()
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]  # as its middleware does
    account = SocialAccount(provider="corp", uid="bob-at-idp", extra_data=said)
    login = SocialLogin(user=User(), account=account)
    login.state = {"process": process, "next": "/"}
    with context.request_context(request):
        return request, complete_login(request, login)


def test_the_person_is_the_one_that_an_id_jag_finds(company: Company) -> None:
    import json

    request, response = signed_in(id_token=ID_TOKEN, userinfo=USERINFO)
    assert response.status_code == 302
    assert request.session[SESSION_KEY] == str(person("bob").pk)
    assert SubjectLink.objects.get().user == person("bob")
    redeemed = company.redeem_assertion(company.idp.id_jag(email=None))
    assert claims(json.loads(redeemed.content)["access_token"])["sub"] == str(person("bob").subject)
    assert not SocialAccount.objects.exists()  # the link is ours alone, so removing it is enough


def test_the_session_knows_how_the_issuer_saw_the_person_sign_in(company: Company) -> None:
    request, _ = signed_in(id_token=ID_TOKEN, userinfo=USERINFO)
    assert session.current(request).acr == "mfa"
    assert Session.objects.get().user == person("bob")


@pytest.mark.parametrize(
    "said",
    [
        {"id_token": ID_TOKEN | {"iss": "https://other.example"}, "userinfo": USERINFO},
        {"id_token": ID_TOKEN | {"sub": ""}, "userinfo": USERINFO},
        {"id_token": ID_TOKEN | {"sub": "charlie-at-idp"}, "userinfo": USERINFO},  # another's UserInfo
        {"id_token": ID_TOKEN, "userinfo": USERINFO | {"email_verified": "yes"}},
        {"id_token": ID_TOKEN | {"email": "alice@example.com"}, "userinfo": USERINFO},  # verified is another address
        {"id_token": ID_TOKEN | {"tenant": ["a"]}, "userinfo": USERINFO},
        {"userinfo": USERINFO | {"iss": IDP}},
        {},
    ],
)
def test_an_unresolved_subject_does_not_sign_in(company: Company, said: dict[str, Any]) -> None:
    request, response = signed_in(**said)
    assert response.status_code == 403
    assert SESSION_KEY not in request.session
    assert AuditEvent.objects.filter(event="person:session:refused").exists()


@pytest.mark.parametrize("withdrawn", [{"enabled": False}, {"accepts": ["id-jag"]}])
def test_an_issuer_that_is_not_trusted_for_it_signs_no_one_in(company: Company, withdrawn: dict[str, Any]) -> None:
    TrustedIssuer.objects.update(**withdrawn)
    _, response = signed_in(id_token=ID_TOKEN, userinfo=USERINFO)
    assert response.status_code == 403


def test_a_deactivated_person_does_not_sign_in(company: Company) -> None:
    User.objects.filter(username="bob").update(is_active=False)
    request, response = signed_in(id_token=ID_TOKEN, userinfo=USERINFO)
    assert response.status_code == 403
    assert SESSION_KEY not in request.session


def test_people_cannot_link_accounts_themselves(company: Company) -> None:
    _, response = signed_in(process="connect", id_token=ID_TOKEN, userinfo=USERINFO)
    assert response.status_code == 403
    assert not SubjectLink.objects.exists()
