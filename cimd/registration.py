"""Dynamic client registration (RFC 7591, RFC 7592) for older clients: off unless the `cimd:` section turns it on.

MCP 2026-07-28 deprecates it in favour of metadata documents. Who may register: whoever has an initial access token, and
clients whose every redirect URI is on a host that the configuration names. A registration is judged as a document is;
it cannot ask for machine grants, for scopes of high sensitivity, or for leaving people out (attack 29). The toolkit's
views authenticate the registration access token; the metadata is ours.
"""

import hashlib
import hmac
import secrets
import string
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views import View
from oauth2_provider.models import get_access_token_model, set_token_value
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views.dynamic_client_registration import (
    DynamicClientRegistrationManagementView,
    DynamicClientRegistrationView,
)

from authz import audit, authorizations, registry
from authz.authorizations import removal
from authz.conf import conf
from authz.database import clocks
from authz.database.transactions import unit_of_work
from authz.endpoints.machine import json_response, machine_endpoint
from authz.limits import rate_limits
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.models import Authorization, Client, Scope
from authz.protocol import client_metadata, redirect_uris, strict_json
from authz.protocol.client_metadata import ClientMetadata, Terms
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.jwts import ALGORITHMS
from authz.protocol.scopes import IDENTITY_SCOPES
from cimd import approval_queue, budget, changes, policy, registration_basis
from cimd.models import Registration
from cimd.reasons import Event, Reason
from cimd.registration_basis import are_on

MAX_BODY = 16 * 1024
MAX_CLIENTS = 1000
A_MINUTE = 30
UNUSED = timedelta(days=7)
UNUSED_WHEN_FULL = timedelta(hours=1)
_BEARER = "Bearer "
_SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})


def metadata() -> dict[str, object]:
    """What is on is advertised, and nothing else (RFC 8414 §2)."""
    return {"registration_endpoint": conf.endpoint("register")} if policy.cached().registration else {}


METADATA = metadata


class Register(DynamicClientRegistrationView):
    """`POST /register` (RFC 7591 §3)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return View.dispatch(self, request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = policy.cached()
        token_digest = _initial_access_token(request, allowed.registration_token_digests)
        wanted = _judged(request.body)
        if not token_digest and not are_on(list(wanted.redirect_uris), allowed.registration_hosts):
            raise OAuthError(Reason.REGISTRATION_DENIED, detail=_hosts(wanted, allowed.registration_hosts))
        with unit_of_work():
            _require_room()
            client = Client(
                client_id="dcr-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(24)),
                registration_source=Client.RegistrationSource.DCR,
                status=Client.Status.APPROVED,
            )
            secret = _apply(client, wanted)
            Registration.objects.create(client=client, token_digest=token_digest)
            token = _new_registration_token(client)
            detail = {
                "name": client.name,
                "redirect_uris": list(wanted.redirect_uris),
                "by_token": bool(token_digest),
            }
            audit.record(Event.REGISTERED, client_id=client.client_id, detail=detail)
        issued: dict[str, Any] = {"client_id_issued_at": int(time.time())}
        if secret:
            issued |= {"client_secret": secret, "client_secret_expires_at": 0}
        return json_response(_described(client, token) | issued, status=201).for_django()


class Manage(DynamicClientRegistrationManagementView):
    """`GET`, `PUT` and `DELETE /register/{client_id}` with the registration access token (RFC 7592 §2)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return View.dispatch(self, request, *args, **kwargs)

    def get(self, request: HttpRequest, client_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        authenticated = self._authenticate_registration_request(request, client_id)
        if isinstance(authenticated, HttpResponse):
            return authenticated
        return json_response(_described(_ours(authenticated.application), authenticated.presented_token)).for_django()

    def put(self, request: HttpRequest, client_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        authenticated = self._authenticate_registration_request(request, client_id)
        if isinstance(authenticated, HttpResponse):
            return authenticated
        members = _members(request.body)
        # > The client MUST include its "client_id" field in the request, and it MUST be the same (RFC 7592 §2.2)
        if members.get("client_id") != client_id:
            raise OAuthError(Reason.REGISTRATION_METADATA, detail="client_id")
        wanted = _judged(request.body)
        with unit_of_work():
            client = _held(authenticated)
            # Whom an administrator has stopped cannot become somebody else.
            if not client.is_approved(time.time()):
                told = "The client is not approved, or is no longer: ask an administrator."
                raise OAuthError(Reason.REGISTRATION_DENIED, detail=client.status, told=told)
            basis = registration_basis.of(client, policy.cached())
            if not registration_basis.lets(basis, client, wanted):
                raise _not_let(basis, wanted)
            token = _rotated(authenticated)
            secret = _apply(client, wanted)
            detail = {"redirect_uris": list(wanted.redirect_uris)}
            audit.record(Event.REGISTRATION_CHANGED, client_id=client_id, detail=detail)
        issued = {"client_secret": secret, "client_secret_expires_at": 0} if secret else {}
        return json_response(_described(client, token) | issued).for_django()

    def delete(self, request: HttpRequest, client_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        authenticated = self._authenticate_registration_request(request, client_id)
        if isinstance(authenticated, HttpResponse):
            return authenticated
        with unit_of_work():
            client = _held(authenticated)
            _rotated(authenticated)
            audit.record(Event.REGISTRATION_REMOVED, client_id=client_id)
            removal.remove(client)
        return HttpResponse(status=204)


def _ours(application: Any) -> Client:
    return cast(Client, application)


# --- Who may, and what --------------------------------------------------------------------------------------------


def _hosts(wanted: ClientMetadata, hosts: tuple[str, ...]) -> str:
    """The hosts of redirect URIs that are none of these, for the audit."""
    shown = {redirect_uris.display(uri).host for uri in wanted.redirect_uris if not are_on([uri], hosts)}
    return harmless(f"hosts: {', '.join(sorted(shown))}")


def _not_let(basis: registration_basis.Basis, wanted: ClientMetadata) -> OAuthError:
    """A refusal of who holds the registration access token, and so is told what is in the way."""
    if not basis.holds:
        told = "What let this registration in is not in force any more: it may only give things up."
        return OAuthError(Reason.REGISTRATION_DENIED, detail="no longer let in", told=told)
    detail = _hosts(wanted, basis.hosts or ())
    told = f"Redirect URIs must stay on hosts that may register here; these are not ({detail}). Ask an administrator."
    return OAuthError(Reason.REGISTRATION_DENIED, detail=detail, told=told)


def _initial_access_token(request: HttpRequest, digests: tuple[str, ...]) -> str:
    """The digest of the initial access token that came along; "" if none did. Raises `OAuthError` for one that is not
    ours."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return ""
    presented = _digest(header.removeprefix(_BEARER))
    if header.startswith(_BEARER) and any(hmac.compare_digest(presented, digest) for digest in digests):
        return presented
    raise OAuthError(Reason.REGISTRATION_DENIED, detail="token")


def _members(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY:
        raise OAuthError(Reason.REGISTRATION_METADATA, detail="size")
    try:
        return strict_json.read_object(body)
    except strict_json.StrictJsonError as error:
        raise OAuthError(Reason.REGISTRATION_METADATA, detail=error.problem.value) from None


def _judged(body: bytes) -> ClientMetadata:
    """The metadata that is kept."""
    members = _members(body)
    judgement = client_metadata.validate(members, _terms())
    if judgement.metadata is None:
        worst = judgement.refusals[0]
        reason = Reason.REGISTRATION_REDIRECT_URI if worst.name == "redirect_uris" else Reason.REGISTRATION_METADATA
        told: dict[str, str | int] = {"error_description": f"{worst.name}: {worst.explanation}"}
        raise OAuthError(reason, detail=worst.name, parameters=told)
    return _without_privileges(judgement.metadata)


def _terms() -> Terms:
    methods = registry.client_auth_methods()
    offered = ("private_key_jwt", "client_secret_basic", "client_secret_post", "none")
    return Terms(
        # A registration is for people's programs: machine grants are for clients that somebody has looked at.
        grant_types=frozenset(registry.grants()) & client_metadata.PUBLIC_GRANT_TYPES,
        auth_methods=tuple(method for method in offered if method in methods),
        signing_algorithms=ALGORITHMS,
        # > If unspecified or omitted, the default is "client_secret_basic" (RFC 7591 §2)
        default_auth_method="client_secret_basic",
        required=frozenset({"redirect_uris"}),
        custom_schemes=policy.cached().redirect_schemes,
    )


def _without_privileges(wanted: ClientMetadata) -> ClientMetadata:
    ordinary = Scope.objects.exclude(sensitivity=Scope.Sensitivity.HIGH).values_list("name", flat=True)
    offered = [*dict.fromkeys(ordinary), *IDENTITY_SCOPES]
    asked = offered if wanted.scope is None else [scope for scope in wanted.scope if scope in offered]
    return replace(wanted, scope=tuple(asked))


def _require_room() -> None:
    """Raises `OAuthError` where too many came at once, or too many stayed; those that nobody used are removed first."""
    now = time.time()
    if not budget.spend("registration", now, limit=A_MINUTE):
        raise OAuthError(Reason.BUSY, detail="registrations", retry_after=budget.until_next_minute(now))
    registered = Client.objects.filter(registration_source=Client.RegistrationSource.DCR)
    earlier = datetime.now(UTC) + timedelta(seconds=min(0.0, clocks.apart()))
    # The database refuses to remove one that anything rests on (authz/authorizations/removal.py).
    unused = registered.filter(authorization=None, consent=None, authorizationcode=None, accessrequest=None)
    unused.filter(created__lt=earlier - UNUSED).delete()
    if registered[:MAX_CLIENTS].count() >= MAX_CLIENTS:
        # What strangers filled in half an hour must not be shut for a week.
        oldest = unused.filter(created__lt=earlier - UNUSED_WHEN_FULL).order_by("pk").values_list("pk", flat=True)
        Client.objects.filter(pk__in=list(oldest[:A_MINUTE])).delete()
    if registered[:MAX_CLIENTS].count() >= MAX_CLIENTS:
        raise OAuthError(Reason.QUEUE_FULL, detail="registrations", retry_after=approval_queue.FULL)


# --- Writing and telling ------------------------------------------------------------------------------------------


def _apply(client: Client, wanted: ClientMetadata) -> str:
    """Make the row be what was judged; the new secret, `""` where it keeps the old one or needs none."""
    client.name = wanted.client_name
    client.redirect_uris = "\n".join(wanted.redirect_uris)
    client.grant_types = list(wanted.grant_types)
    client.token_endpoint_auth_method = wanted.token_endpoint_auth_method
    client.client_jwks = wanted.jwks
    client.client_jwks_uri = wanted.jwks_uri
    client.scope = list(wanted.scope or ())
    client.client_uri = wanted.client_uri
    secret = ""
    if wanted.token_endpoint_auth_method not in _SECRET_METHODS:
        client.secret_digest = ""
    elif not client.secret_digest:
        secret = secrets.token_urlsafe(36)
        client.set_secret(secret)
    digest = changes.security_digest(wanted)
    if digest != client.metadata_digest:
        client.metadata_digest = digest
        client.consent_digest = hashlib.sha256(f"{client.consent_digest}{digest}".encode()).hexdigest()
        if client.pk is not None:
            live = Authorization.objects.filter(client=client)
            authorizations.end(live, reason="client_changed", now=datetime.now(UTC))
    client.save()
    return secret


def _new_registration_token(client: Client) -> str:
    """Its raw value; the toolkit keeps a digest."""
    raw = secrets.token_urlsafe(48)
    forever = datetime(9999, 12, 31, tzinfo=UTC)
    token = get_access_token_model()(
        application=client, user=None, expires=forever, scope=oauth2_settings.DCR_REGISTRATION_SCOPE
    )
    set_token_value(token, raw)
    token.save()
    return raw


def _held(authenticated: Any) -> Client:
    """The client's row as it is now, held until the transaction ends. Raises `OAuthError`."""
    client = Client.objects.select_for_update().filter(pk=authenticated.application.pk).first()
    if client is None:
        raise OAuthError(Reason.REGISTRATION_DENIED, detail="token")
    return client


def _rotated(authenticated: Any) -> str:
    """The next registration access token, instead of the presented one: of two who bring one token, one gets the next.
    Raises `OAuthError` for a token that is not in force any more."""
    raw = secrets.token_urlsafe(48)
    row = get_access_token_model()()
    set_token_value(row, raw)
    in_force = get_access_token_model().objects.filter(
        pk=authenticated.registration_token.pk, token_checksum=_digest(authenticated.presented_token)
    )
    # One conditional statement is the answer (law 3).
    if not in_force.update(token=row.token, token_checksum=_digest(raw)):
        raise OAuthError(Reason.REGISTRATION_DENIED, detail="token")
    return raw


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _described(client: Client, registration_access_token: str) -> dict[str, Any]:
    """The client information response (RFC 7591 §3.2.1, RFC 7592 §3)."""
    described: dict[str, Any] = {
        "client_id": client.client_id,
        "redirect_uris": client.redirect_uri_list,
        "grant_types": client.grant_types,
        "response_types": ["code"],
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "scope": " ".join(client.scope or ()),
        "registration_access_token": registration_access_token,
        # The issuer is a setting: nothing is derived from the Host header (law 7).
        "registration_client_uri": f"{conf.endpoint('register')}/{client.client_id}",
    }
    optional = {
        "client_name": client.name,
        "client_uri": client.client_uri,
        "jwks": client.client_jwks,
        "jwks_uri": client.client_jwks_uri,
    }
    return described | {name: value for name, value in optional.items() if value}


# --- HTTP -----------------------------------------------------------------------------------------------------------


def _answered(view: type[View], request: HttpRequest, **kwargs: str) -> HttpResponse:
    # Where registering is switched off, who has registered still reads, narrows and removes its registration.
    if not policy.cached().registration and not _is_registered(kwargs.get("client_id", "")):
        return json_response({"error": "not_found"}, status=404).for_django()
    try:
        rate_limits.admit(kwargs.get("client_id", ""))
        try:
            response = cast(HttpResponse, view.as_view()(request, **kwargs))
        except Client.DoesNotExist:
            # Removed between its token's reading and its own.
            raise OAuthError(Reason.REGISTRATION_DENIED, detail="removed") from None
        if response.status_code in {401, 403}:
            # The toolkit's answer to a registration access token that is none.
            error = OAuthError(Reason.REGISTRATION_DENIED, detail="registration access token")
            record_unauthenticated(Event.REGISTRATION_REFUSED, error, client_id=kwargs.get("client_id", ""))
    except UnrecordedError:
        raise
    except OAuthError as error:
        record_unauthenticated(Event.REGISTRATION_REFUSED, error, client_id=kwargs.get("client_id", ""))
        is_denied = error.reason is Reason.REGISTRATION_DENIED
        # > the resource server SHOULD respond with HTTP 401 and a WWW-Authenticate header field (RFC 6750 §3)
        headers = {"WWW-Authenticate": "Bearer"} if is_denied else {}
        if error.retry_after:
            headers["Retry-After"] = str(error.retry_after)
        return json_response(error.body(), status=401 if is_denied else error.status, headers=headers).for_django()
    return response


def _is_registered(client_id: str) -> bool:
    source = Client.RegistrationSource.DCR
    return bool(client_id) and Client.objects.filter(client_id=client_id, registration_source=source).exists()


@machine_endpoint("POST", refused=Event.REGISTRATION_REFUSED)
def register(request: HttpRequest) -> HttpResponse:
    return _answered(Register, request)


def manage(request: HttpRequest, client_id: str) -> HttpResponse:
    endpoint = machine_endpoint("GET", "PUT", "DELETE", refused=Event.REGISTRATION_REFUSED, name="manage")
    return endpoint(lambda asked: _answered(Manage, asked, client_id=client_id))(request)


manage.csrf_exempt = True  # type: ignore[attr-defined]  # it takes no cookies, and says so as Django's decorator does
urlpatterns = [path("register", register), path("register/<str:client_id>", manage)]
