"""A person who signs in by an identity provider, in a browser without JavaScript, to the page of their sign-ins."""

from urllib.parse import urljoin

import requests

from demo.browser import Page
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
