"""A client that lost the response to its ID-JAG gets the same one again, as with a refresh token.

An ID-JAG is good once, and its issuer may take a minute or a person to give another. Within the window
(`GATEHOUSE_REFRESH_REUSE_WINDOW`) the same authenticated client that sends the same request is given the same answer:
the same token, under the same authorization. Everything about the request has been judged anew by then. A client
without a secret gets none: a thief of its ID-JAG would, too (attack 19).
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from authz import registry
from authz.conf import conf
from authz.keys import secrets_at_rest
from authz.models import Authorization
from authz.registry import TokenRequest
from xaa.models import Redemption, SubjectLink

PURPOSE = "answers to ID-JAGs"


def keep(request: TokenRequest, authorization: UUID, answer: dict[str, Any]) -> None:
    """Keep the answer for the window. Call it in the transaction that issues: who waits for its end then finds it."""
    if not _is_offered(request):
        return
    name = _digest(request)
    sealed = secrets_at_rest.encrypt(json.dumps(answer).encode(), purpose=PURPOSE, about=name)
    until = _moment(request) + timedelta(seconds=conf.refresh_reuse_window)
    Redemption.objects.bulk_create([Redemption(digest=name, authorization=authorization, answer=sealed, until=until)])


def find(request: TokenRequest, linked: QuerySet[SubjectLink]) -> tuple[Authorization, dict[str, Any]] | None:
    """The authorization and the answer that this very request was given, if it stands; None: it is a replay.

    `linked`: the link of the identity that the ID-JAG speaks of, which must still be to the same person.
    """
    if not _is_offered(request):
        return None
    name = _digest(request)
    row = Redemption.objects.filter(digest=name, until__gt=_moment(request)).first()
    if row is None:
        return None
    live = Authorization.objects.filter(pk=row.authorization, revoked=None, user__in=linked.values("user"))
    authorization = live.select_related("user").first()
    if authorization is None:
        return None
    try:
        opened = secrets_at_rest.decrypt(bytes(row.answer), purpose=PURPOSE, about=name)
    except secrets_at_rest.WrongKeyError:  # the secret was changed in between
        return None
    found: dict[str, Any] = json.loads(opened)
    return authorization, found


def _is_offered(request: TokenRequest) -> bool:
    # > subsequent polling requests with the same `deferral_code` MUST be rejected with `invalid_grant`
    # > (draft-ietf-oauth-deferred-token-response, § Successful Polling Response)
    is_direct = request.deferral is None
    return is_direct and request.auth_method != registry.PUBLIC and conf.refresh_reuse_window > 0


def _digest(request: TokenRequest) -> str:
    # The token of the answer is bound to the key that was shown.
    sent = [request.client.pk, request.jkt, *(request.params.get(name) for name in ("assertion", "resource", "scope"))]
    return hashlib.sha256(json.dumps(sent).encode()).hexdigest()


def _moment(request: TokenRequest) -> datetime:
    return datetime.fromtimestamp(request.now, UTC)
