"""An issuer that does not answer while a person signs in: a page that says to come again. It counts against no one."""

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

# In the environment of a request: its issuer does not answer. And seconds after which it may.
UNREACHABLE, RETRY_AFTER = "gatehouse.issuer_unreachable", 10


class UnreachableError(OAuth2Error):  # type: ignore[misc]  # allauth is untyped
    """Where it comes to a page of allauth's, xaa/sign_in/urls.py makes it a 503."""
