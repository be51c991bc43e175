"""Who may set a client's columns: each is the client's own description, or an attribute of the organisation.

Rules may refer to the organisation's attributes, and some weaken checks. So a registration of one's own agent (in the
console, by the API, by dynamic registration or in a metadata document) sets only what is `DECLARED`, and it is reviewed
before it is approved. Administrators set the rest, or approvers, as far as an approval does.
"""

from authz.models import Client

# What a client says of itself (RFC 7591 §2's metadata), and its id, by column.
DECLARED = frozenset(
    {
        "client_id",
        "name",
        "client_uri",
        "grant_types",
        "redirect_uris",
        "post_logout_redirect_uris",
        "token_endpoint_auth_method",
        "client_jwks",
        "client_jwks_uri",
        "scope",
        "dpop_bound_access_tokens",
        "require_pushed_authorization_requests",
    }
)
# What rules refer to (authz/policy/clients.py) or what weakens a check.
ORGANISATIONS = frozenset(
    {
        "status",
        "owner",
        "successor",
        "environment",
        "tags",
        "reuse_assertions",
        "pending_answer",
        "skip_authorization",
        "approved",
        "approved_by",
        "approved_until",
        "approval_reminders",
        "registration_source",
    }
)
# What this server keeps of it and no caller sets: secrets' digests, digests, and columns of the toolkit's.
KEPT = frozenset(
    {
        "id",
        "user",
        "client_secret",
        "hash_client_secret",
        "secret_digest",
        "metadata_digest",
        "consent_digest",
        "client_type",
        "authorization_grant_type",
        "allowed_origins",
        "algorithm",
        "cimd_expires_at",
        "created",
        "ended",
        "lost_owner",
        "owner_left",
        "updated",
    }
)


def unclassified() -> set[str]:
    """Columns of a client that are in none of the lists, or names in them that are no column (a check says so)."""
    return {field.name for field in Client._meta.concrete_fields} ^ (DECLARED | ORGANISATIONS | KEPT)
