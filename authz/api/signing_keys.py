"""`/keys`: the signing keys, and what their operator does with them, like `manage.py keys`."""

from datetime import UTC, datetime

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz import keys
from authz.api.framework.problems import invalid
from authz.api.framework.shapes import MOMENT, MOMENT_OR_NULL, SWITCH, TEXT, a_list, mapping, one_of
from authz.api.framework.view import ApiView
from authz.keys.stages import STAGES, key_as_item
from authz.models import SigningKey
from authz.sign_in.roles import CONFIGURE

JWK = {"type": "object", "description": "The public half, as in the JWKS (RFC 7517).", "additionalProperties": True}
KEY = mapping(
    kid=TEXT,
    alg=one_of(keys.ALGORITHMS),
    stage=one_of(STAGES),
    published=MOMENT,
    signs_from=MOMENT,
    retired=MOMENT_OR_NULL,
    expires=MOMENT_OR_NULL,
    public_jwk=JWK,
)


class Keys(ApiView):
    requires = {"GET": "authz.view_signingkey"}
    answers = {"GET": mapping(items=a_list(KEY))}

    def get(self, request: Request) -> Response:
        """All signing keys, also those that have left the JWKS, with the stage that each is in now."""
        now = datetime.now(UTC)
        return Response({"items": [key_as_item(key, now) for key in SigningKey.objects.order_by("alg", "published")]})


class Rotate(ApiView):
    requires = {"POST": CONFIGURE}
    takes = {"POST": mapping(alg=one_of(keys.ALGORITHMS), now=SWITCH)}
    answers = {"POST": KEY}

    def post(self, request: Request) -> Response:
        """Publish a successor of the key of one algorithm. It signs when verifiers have seen it; with `now` at once."""
        given, moment = self.body(request), datetime.now(UTC)
        alg, at_once = given.get("alg"), given.get("now", False)
        if alg not in keys.ALGORITHMS:
            raise invalid("alg", f"is one of {', '.join(keys.ALGORITHMS)}")
        if not isinstance(at_once, bool):
            raise invalid("now", "is true or false")
        return Response(key_as_item(keys.rotate(alg, now=moment, at_once=at_once), moment))


class Retire(ApiView):
    requires = {"POST": CONFIGURE}
    takes = {"POST": mapping(compromised=SWITCH)}
    answers = {"POST": KEY}

    def post(self, request: Request, kid: str) -> Response:
        """Stop signing with a key. `compromised`: take it out of the JWKS at once."""
        compromised, moment = self.body(request).get("compromised", False), datetime.now(UTC)
        if not isinstance(compromised, bool):
            raise invalid("compromised", "is true or false")
        try:
            return Response(key_as_item(keys.retire(kid, now=moment, compromised=compromised), moment))
        except SigningKey.DoesNotExist:
            raise Http404 from None
