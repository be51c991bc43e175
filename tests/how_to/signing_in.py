"""People who sign in: by an identity provider, to the page of their sign-ins; and to an app, which gets an ID token."""

import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import requests

from demo.browser import Page, Person
from demo.gatehouse import Gatehouse
from tests.how_to.identity_providers import PASSWORD

MOST_STEPS = 20


def sign_in(origin: str, person: str, provider: str, ca_bundle: str) -> str:
    """What the page of their sign-ins says. Raises AssertionError where the way ends before it."""
    with requests.Session() as session:
        session.trust_env, session.verify = False, ca_bundle
        wanted = f"{origin}/account/sign-ins/"
        page = session.get(wanted, timeout=60)
        for _ in range(MOST_STEPS):
            if page.url == wanted:
                return Page(page.text).text
            page = _go_on(session, page, person, provider)
        raise AssertionError(f"no end in sight at {page.url}")


def _go_on(session: requests.Session, page: requests.Response, person: str, provider: str) -> requests.Response:
    """Press “Sign in with PROVIDER” here, and there what each page offers."""
    assert page.ok, f"{page.status_code} at {page.url}: {Page(page.text).text[:600]}"
    wanted = (f"Sign in with {provider}", "Sign in", "Sign-in", "Continue")
    offered = [(form, button) for form in Page(page.text).forms for button in form.buttons]
    for words in wanted:
        for form, button in offered:
            if " ".join(button.label.split()) != words or (words == "Sign in" and "/accounts/" in page.url):
                continue
            address = f"{person}@acme.example"
            known = {"username": address, "login": address, "password": PASSWORD}
            filled = {name: [known[name]] for name in form.types if name in known}
            target = urljoin(page.url, form.action)
            headers = {"Referer": page.url, "Origin": "/".join(page.url.split("/")[:3])}
            return session.request(form.method, target, data=form.fields | filled, headers=headers, timeout=60)
    raise AssertionError(f"nothing to press at {page.url}: {Page(page.text).text[:600]}")


def id_token(gatehouse: Gatehouse, person: str, client_id: str, secret: str, redirect_uri: str) -> str:
    """What the app has after that person has signed in to it (OpenID Connect Core §3.1)."""
    verifier, metadata = secrets.token_urlsafe(48), gatehouse.metadata()
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid email",
        "state": "one",
        "nonce": secrets.token_urlsafe(16),
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    browser = Person(person, f"{person}-signs-in-at-home")
    back = browser.authorize(f"{metadata['authorization_endpoint']}?{urlencode(query)}")
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    answer = requests.post(metadata["token_endpoint"], data=form, auth=(client_id, secret), timeout=60)
    answer.raise_for_status()
    return str(answer.json()["id_token"])
