"""Our public keys (RFC 7517 §5)."""

from django.urls import path

from authz import keys
from authz.conf import conf
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint, now


@machine_endpoint("GET", "HEAD", is_remembered=True)
def jwks(request: Request) -> Answer:
    """Verifiers may keep it for five minutes; a new key is published hours before it signs."""
    return json_response({"keys": keys.published(now())}, cache="public, max-age=300")


def metadata() -> dict[str, object]:
    return {"jwks_uri": conf.endpoint("jwks")}


METADATA = metadata
urlpatterns = [path("jwks", jwks, name="jwks")]
