"""The consent page: who asks, for what, at which MCP server, and where the answer goes."""

from collections.abc import Collection, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from authz import registry, resources
from authz.endpoints import authorize_precheck
from authz.endpoints.content_security_policy import allowing_redirect
from authz.models import Client, ProtectedResource, User
from authz.protocol import redirect_uris
from authz.protocol.params import Params
from authz.protocol.scopes import join
from authz.sign_in import form_binding

FORM = "consent"
_IDENTITY_IN_WORDS = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "groups": "See which groups you belong to",
    "offline_access": "Stay connected while you are away",
}


class ConsentPage:
    """One consent page. `params` are those of the authorization request, all of them."""

    def __init__(
        self,
        request: HttpRequest,
        *,
        params: Params,
        client: Client,
        redirect_uri: str,
        resource: ProtectedResource | None,
        scopes: Sequence[str],
        boxes: Sequence[str],
        subject: User,
    ) -> None:
        """The page for one request of one person: what the client would get, and where the answer goes.

        `boxes` are the scopes that the person decides on; they have allowed the other ones before.
        """
        self.request, self._redirect_uri = request, redirect_uri
        self._redirect = redirect_uris.display(redirect_uri)
        self._context: dict[str, Any] = {
            "client": _client_in_words(client),
            "resource": {"name": resource.name, "identifier": resource.identifier} if resource else None,
            "scopes": _in_words(resource, scopes),
            "redirect": {
                "host": self._redirect.host,
                "scheme": self._redirect.scheme,
                "is_loopback": self._redirect.is_loopback,
            },
            "subject": {"username": subject.username, "email": subject.email},
            "warnings": [],
        }
        # The whole request: its state, nonce and code_challenge aren't shown, but they decide who gets the code.
        # The form posts to the page's own address, and another request can stand in the address of a POST.
        self._boxes = tuple(boxes)
        state = form_binding.client_state(client)
        self._shown = (dict(params), redirect_uri, state, self._context, self._boxes)

    def is_confirmed(self) -> bool:
        """Whether the POST comes from this page as it would be drawn now."""
        return form_binding.is_as_shown(self.request, FORM, *self._shown)

    def response(self, *, unticked: Collection[str], has_changed: bool = False) -> HttpResponse:
        """`unticked`: the boxes that begin without their tick. `has_changed`: it was answered as it stood before, and
        is shown again with a line that says so.
        """
        # A page on which everything is unticked would deny by its “Allow” button.
        ticked = [name for name in self._boxes if name not in unticked] or self._boxes
        described = self._context["scopes"]
        seal = form_binding.seal(self.request, FORM, *self._shown)
        action = authorize_precheck.address(self.request)
        context = {**self._context, "seal": seal, "has_changed": has_changed, "action": action} | {
            "boxes": join(self._boxes),
            "asked": [(scope, scope["name"] in ticked) for scope in described if scope["name"] in self._boxes],
            "allowed_before": [scope for scope in described if scope["name"] not in self._boxes],
        }
        response = render(self.request, "authorize/consent.html", context)
        allowing_redirect(response, self._redirect_uri)
        return response


def _client_in_words(client: Client) -> dict[str, Any]:
    registered = [redirect_uris.display(uri) for uri in client.redirect_uri_list]
    return {
        "name": client.name or client.client_id,
        "client_id": client.client_id,
        "host": client.host,
        "host_note": "",
        "is_loopback_only": all(uri.is_loopback for uri in registered),
        "logo_url": "",
        "gets_refresh_token": client.allows_grant_type("refresh_token"),
        **registry.presentation(client),
    }


def _in_words(resource: ProtectedResource | None, wanted: Sequence[str]) -> list[dict[str, object]]:
    known = resources.scopes_of(resource) if resource else {}
    in_words: list[dict[str, object]] = []
    for name in wanted:
        scope = known.get(name)
        in_words.append(
            {
                "name": name,
                "description": scope.description if scope else _IDENTITY_IN_WORDS.get(name, name),
                "sensitivity": scope.sensitivity if scope else "low",
                "is_identity": scope is None,
            }
        )
    return in_words
