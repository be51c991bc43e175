"""What several tests of attack 38 share."""

from django.contrib.auth import SESSION_KEY
from django.test import Client as Browser

from tests.support.world import person

TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NEW = "quite-another-passphrase"


def signs_in(login: str, password: str) -> bool:
    browser = Browser()
    browser.post("/accounts/login/", {"login": login, "password": password})
    return SESSION_KEY in browser.session


def by_code() -> None:
    bob = person("bob")
    bob.set_password(NEW)
    bob.save()
