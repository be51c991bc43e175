"""The requests of clients that register (RFC 7591) and manage their registration (RFC 7592).

The toolkit's views authenticate the registration access token; the metadata is ours.
"""

import secrets
import string
import time
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.views import View
from oauth2_provider.views.dynamic_client_registration import (
    DynamicClientRegistrationManagementView,
    DynamicClientRegistrationView,
)

from authz import audit
from authz.authorizations import removal
from authz.database.transactions import unit_of_work
from authz.endpoints.machine import json_response
from authz.models import Client
from authz.protocol.errors import OAuthError
from cimd import policy
from cimd.events import Event
from cimd.models import Registration
from cimd.reasons import Reason
from cimd.registration import basis, clients, metadata, room, tokens
from cimd.registration.basis import are_on


class Register(DynamicClientRegistrationView):
    """`POST /register` (RFC 7591 §3)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return View.dispatch(self, request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = policy.cached()
        token_digest = tokens.initial_access_token(request, allowed.registration_token_digests)
        wanted = metadata.judged(request.body)
        if not token_digest and not are_on(list(wanted.redirect_uris), allowed.registration_hosts):
            raise OAuthError(Reason.REGISTRATION_DENIED, detail=basis.foreign_hosts(wanted, allowed.registration_hosts))
        with unit_of_work():
            room.require_room()
            client = Client(
                client_id="dcr-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(24)),
                registration_source=Client.RegistrationSource.DCR,
                status=Client.Status.APPROVED,
            )
            secret = clients.apply(client, wanted)
            Registration.objects.create(client=client, token_digest=token_digest)
            token = tokens.new_registration_token(client)
            detail = {
                "name": client.name,
                "redirect_uris": list(wanted.redirect_uris),
                "by_token": bool(token_digest),
            }
            audit.record(Event.REGISTERED, client_id=client.client_id, detail=detail)
        issued: dict[str, Any] = {"client_id_issued_at": int(time.time())}
        if secret:
            issued |= {"client_secret": secret, "client_secret_expires_at": 0}
        return json_response(clients.described(client, token) | issued, status=201).for_django()


class Manage(DynamicClientRegistrationManagementView):
    """`GET`, `PUT` and `DELETE /register/{client_id}` with the registration access token (RFC 7592 §2)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return View.dispatch(self, request, *args, **kwargs)

    def get(self, request: HttpRequest, client_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        authenticated = self._authenticate_registration_request(request, client_id)
        if isinstance(authenticated, HttpResponse):
            return authenticated
        return json_response(
            clients.described(cast(Client, authenticated.application), authenticated.presented_token)
        ).for_django()

    def put(self, request: HttpRequest, client_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        authenticated = self._authenticate_registration_request(request, client_id)
        if isinstance(authenticated, HttpResponse):
            return authenticated
        members = metadata.members(request.body)
        # > The client MUST include its "client_id" field in the request, and it MUST be the same (RFC 7592 §2.2)
        if members.get("client_id") != client_id:
            raise OAuthError(Reason.REGISTRATION_METADATA, detail="client_id")
        wanted = metadata.judged(request.body)
        with unit_of_work():
            client = clients.held(authenticated)
            # A client that an administrator has stopped cannot become another one.
            if not client.is_approved(time.time()):
                told = "The client is not approved, or is no longer: ask an administrator."
                raise OAuthError(Reason.REGISTRATION_DENIED, detail=client.status, told=told)
            let_in_by = basis.of(client, policy.cached())
            if not basis.lets(let_in_by, client, wanted):
                raise basis.not_let(let_in_by, wanted)
            token = tokens.rotated(authenticated)
            secret = clients.apply(client, wanted)
            detail = {"redirect_uris": list(wanted.redirect_uris)}
            audit.record(Event.REGISTRATION_CHANGED, client_id=client_id, detail=detail)
        issued = {"client_secret": secret, "client_secret_expires_at": 0} if secret else {}
        return json_response(clients.described(client, token) | issued).for_django()

    def delete(self, request: HttpRequest, client_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        authenticated = self._authenticate_registration_request(request, client_id)
        if isinstance(authenticated, HttpResponse):
            return authenticated
        with unit_of_work():
            client = clients.held(authenticated)
            tokens.rotated(authenticated)
            audit.record(Event.REGISTRATION_REMOVED, client_id=client_id)
            removal.remove(client)
        return HttpResponse(status=204)
