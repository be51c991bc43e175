"""The authorization that a token for an ID-JAG stands under: one for each ID-JAG, so that each can be ended."""

import json
from datetime import UTC, datetime

from authz import registry
from authz.authorizations.status_lists import Entry
from authz.database import raw_sql
from authz.models import ProtectedResource, User
from authz.registry import TokenRequest
from authz.tokens import AccessToken
from xaa import lineage
from xaa.id_jag import IdJag
from xaa.trusted_issuers import public_clients

# By hand, since the ORM's building of this statement costs more than verifying the ID-JAG (measured: `make bench`).
_COLUMNS = (
    "id", "client_id", "user_id", "resource_id", "grant_type", "scopes", "identity_scopes", "created", "generation",
    "revoked_reason", "auth_time", "acr", "amr", "session_digest", "redirect_uri", "client_digest", "lineage",
    "status_list", "status_index",
)  # fmt: skip
_INSERT = f"INSERT INTO authz_authorization ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608  our own names


def write(
    grant_type: str,
    request: TokenRequest,
    *,
    user: User,
    minted: AccessToken,
    resource: ProtectedResource,
    granted: IdJag,
    status: Entry | None,
) -> None:
    values = (
        raw_sql.uuid(minted.authorization),
        request.client.pk,
        user.pk,
        resource.pk,
        grant_type,
        json.dumps(minted.scopes),
        "[]",
        raw_sql.timestamp(datetime.fromtimestamp(request.now, UTC)),
        0,
        "",
        granted.auth_time,
        granted.acr,
        json.dumps(granted.amr),
        "",
        "",
        request.client.consent_digest,
        json.dumps(lineage.of_id_jag(granted) | _public(request)),
        status.number if status else None,
        status.index if status else None,
    )
    raw_sql.write(_INSERT, values)


def _public(request: TokenRequest) -> dict[str, str]:
    return {public_clients.PUBLIC_HOST: request.client.host} if request.auth_method == registry.PUBLIC else {}
