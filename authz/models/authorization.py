"""Authorizations, consents and authorization codes."""

import uuid

from django.conf import settings
from django.db import models


class Authorization(models.Model):
    """One authorization: client × subject × resource × scopes, with its origin and its tokens' state.

    A refresh token is `id.generation.MAC`: rotating is one compare-and-swap of `generation`
    (authz/tokens/refresh_tokens.py).
    Each access token has the id in its `authorization` claim, so ending the row ends all its tokens.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.PROTECT)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT)
    resource = models.ForeignKey("authz.ProtectedResource", null=True, on_delete=models.PROTECT)
    grant_type = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    identity_scopes = models.JSONField(default=list)
    created = models.DateTimeField()
    expires = models.DateTimeField(null=True, help_text="When its refresh tokens end; empty: it has none.")
    generation = models.PositiveIntegerField(default=0)
    rotated = models.DateTimeField(null=True)
    revoked = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=64, blank=True, default="")
    # The sign-in that it rests on (OpenID Connect Core §2) and the browser session, as a digest.
    auth_time = models.BigIntegerField(null=True)
    acr = models.CharField(max_length=255, blank=True, default="")
    amr = models.JSONField(default=list)
    session_digest = models.CharField(max_length=64, blank=True, default="")
    dpop_jkt = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="The key that its refresh tokens are bound to."
    )
    # What the person was shown when consenting, and what it came from (rules, CIMD digest, ID-JAG).
    redirect_uri = models.TextField(blank=True, default="")
    client_digest = models.CharField(max_length=64, blank=True, default="")
    lineage = models.JSONField(default=dict)
    # Whose token was exchanged for its own (RFC 8693). Without a constraint: the row above is removed first, and what
    # misses it is not live.
    parent = models.ForeignKey("self", null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    # Its place in a status list, for good (authz/authorizations/status_lists.py); none while its resource wants no
    # status.
    status_list = models.BigIntegerField(null=True)
    status_index = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            # > The Status Issuer MUST prevent any unintended double allocation. (draft-ietf-oauth-status-list §13.3)
            models.UniqueConstraint(
                fields=["status_list", "status_index"],
                condition=models.Q(status_list__isnull=False),
                name="authz_one_status_entry",
            ),
            # One live authorization of a client at a resource without a person (authz/authorizations/__init__.py).
            models.UniqueConstraint(
                fields=["client", "resource", "grant_type"],
                condition=models.Q(user=None, revoked=None, parent=None),
                name="authz_one_live_machine_authorization",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "client", "resource"]),
            models.Index(fields=["session_digest"]),
            models.Index(fields=["created"]),
        ]

    def __str__(self) -> str:
        agent = self.client.name or self.client.client_id
        subject = self.user.username if self.user else "itself"
        return f"{agent} for {subject} at {self.resource.name if self.resource else 'this server'}"


class Consent(models.Model):
    """A person's remembered consent, per client, resource, scopes and redirect host.

    It is valid for the redirect URI's scheme and host, and for the client's security-relevant metadata
    (`client_digest`). `scopes` and `declined` have no scope in common.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consents")
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.PROTECT)
    resource = models.ForeignKey("authz.ProtectedResource", null=True, on_delete=models.PROTECT)
    redirect_origin = models.CharField(max_length=512)
    client_digest = models.CharField(max_length=64, blank=True, default="")
    scopes = models.JSONField(default=list)
    declined = models.JSONField(null=True, help_text="Scopes that the person was shown, and unticked.")
    given = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "client", "resource", "redirect_origin"],
                name="authz_one_consent",
            ),
            # A database takes two NULLs for different, so a consent without a resource needs a line of its own.
            models.UniqueConstraint(
                fields=["user", "client", "redirect_origin"],
                condition=models.Q(resource=None),
                name="authz_one_identity_consent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.client_id} {self.resource_id}"


class AuthorizationCode(models.Model):
    """A code, by its digest. A used one is kept until it expires, so that a replay is recognised (invariant 3)."""

    digest = models.CharField(max_length=64, primary_key=True)
    client = models.ForeignKey(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.PROTECT)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    resource = models.ForeignKey("authz.ProtectedResource", null=True, on_delete=models.PROTECT)
    redirect_uri = models.TextField()
    # No version reads it; an older version that serves at the same time writes it.
    redirect_uri_sent = models.BooleanField(default=True)
    code_challenge = models.CharField(max_length=128)
    scopes = models.JSONField(default=list)
    identity_scopes = models.JSONField(default=list)
    nonce = models.CharField(max_length=512, blank=True, default="")
    auth_time = models.BigIntegerField(null=True)
    acr = models.CharField(max_length=255, blank=True, default="")
    amr = models.JSONField(default=list)
    session_digest = models.CharField(max_length=64, blank=True, default="")
    client_digest = models.CharField(max_length=64, blank=True, default="")
    dpop_jkt = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="The key that has to be shown to redeem it."
    )
    lineage = models.JSONField(default=dict)
    created = models.DateTimeField()
    expires = models.DateTimeField(db_index=True)
    used = models.DateTimeField(null=True)
    # Set when the code is redeemed: what a replay revokes.
    authorization = models.ForeignKey(Authorization, null=True, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.digest[:8]
