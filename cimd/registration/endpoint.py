"""`/register` and `/register/{client_id}`: which requests reach the views, and how a refusal is answered."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views import View

from authz.conf import conf
from authz.endpoints.machine import json_response, machine_endpoint
from authz.limits import rate_limits
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.models import Client
from authz.protocol.errors import OAuthError
from cimd import policy
from cimd.events import Event
from cimd.reasons import Reason
from cimd.registration.views import Manage, Register


def metadata() -> dict[str, object]:
    """What is on is advertised, and nothing else (RFC 8414 §2)."""
    return {"registration_endpoint": conf.endpoint("register")} if policy.cached().registration else {}


METADATA = metadata


def _answered(view: type[View], request: HttpRequest, **kwargs: str) -> HttpResponse:
    # While registration is disabled, registered clients can still read, narrow and remove their registration.
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
