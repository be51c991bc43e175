"""Clients: the applications that request tokens. The console calls them agents."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from oauth2_provider.models import AbstractApplication

from authz.models.ended import StandingClients, ended_column
from authz.models.pending_answer import PendingAnswer
from authz.protocol import jwks, jwts
from authz.protocol.identifiers import is_like_a_subject

MINIMUM_SECRET_LENGTH = 32


class Client(AbstractApplication):
    """A client, on the toolkit's application model.

    `token_endpoint_auth_method`, `client_jwks` and `client_jwks_uri` have the names that the toolkit 4.0 will use. Of
    the inherited fields, `client_secret` stays empty (only a secret's digest is stored), and `grant_types` replaces
    `authorization_grant_type`, because a client may have several.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        SUSPENDED = "suspended", "Suspended"
        RETIRED = "retired", "Retired"

    client_id = models.CharField(max_length=1024, unique=True)
    client_secret = models.CharField(max_length=1, blank=True, default="", editable=False)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="owned_clients"
    )
    successor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="successor_of",
        help_text="Who owns it once its owner has left.",
    )
    owner_left = models.DateTimeField(
        null=True, editable=False, help_text="When it was found without an owner who is still here."
    )
    lost_owner = models.CharField(
        max_length=150,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The user name of the owner who was removed, as long as it has no other.",
    )
    grant_types = models.JSONField(default=list, blank=True)
    token_endpoint_auth_method = models.CharField(max_length=32, default="none")
    secret_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    client_jwks = models.JSONField(null=True, blank=True)
    client_jwks_uri = models.CharField(max_length=1024, blank=True, default="")
    reuse_assertions = models.BooleanField(
        default=False,
        help_text="Let one client assertion authenticate several requests until it expires (static providers).",
    )
    dpop_bound_access_tokens = models.BooleanField(
        default=False,
        db_default=False,
        help_text="All its tokens are bound to a key that it shows (DPoP); a request without a proof is refused.",
    )
    require_pushed_authorization_requests = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It pushes its authorization requests ahead (PAR); one in the address alone is refused.",
    )
    pending_answer = models.CharField(
        max_length=16,
        choices=PendingAnswer.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Whether it is told that a request of its waits for an approval; empty: as its MCP server says.",
    )
    scope = models.JSONField(
        null=True, blank=True, default=None, help_text="The scopes it is registered for; empty: whatever rules allow."
    )
    environment = models.CharField(max_length=64, blank=True, default="", help_text="What it is approved for.")
    approved = models.DateTimeField(null=True, blank=True, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="approved_clients",
    )
    approved_until = models.DateTimeField(
        null=True, blank=True, help_text="Its approval ends then, whatever its status says; empty: it has no end."
    )
    approval_reminders = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="How many reminders of the approval's end were sent."
    )
    tags = models.JSONField(default=list, blank=True)
    client_uri = models.CharField(max_length=1024, blank=True, default="")
    metadata_digest = models.CharField(
        max_length=64, blank=True, default="", editable=False, help_text="The document version it was made from (CIMD)."
    )
    consent_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="What consents and refresh tokens are bound to: changes when the client's security does.",
    )

    ended = ended_column()

    objects: ClassVar[models.Manager["Client"]] = StandingClients()  # type: ignore[assignment]  # the toolkit's is untyped
    all_objects: ClassVar[models.Manager["Client"]] = models.Manager()

    class Meta(AbstractApplication.Meta):
        verbose_name = "agent"
        verbose_name_plural = "agents"
        indexes = [models.Index(fields=["status"]), models.Index(fields=["registration_source"])]

    def set_secret(self, secret: str) -> None:
        """Store a secret's digest. Secrets are long and random, so a fast digest is as good as a slow one. With a slow
        one unauthenticated requests could use up the CPU (docs/decisions/0005-client-secrets.md). Raises
        `ValidationError` for a short one.
        """
        if len(secret) < MINIMUM_SECRET_LENGTH:
            raise ValidationError(
                {"client_secret": f"A client secret has at least {MINIMUM_SECRET_LENGTH} characters."}
            )
        self.secret_digest = digest(secret)

    def has_secret(self, secret: str) -> bool:
        return bool(self.secret_digest) and hmac.compare_digest(self.secret_digest, digest(secret))

    def state(self, now: float) -> "Client.Status":
        """The status at this time, whatever status is stored: an expired approval waits to be given again.

        All code that lets an agent do anything calls this, so an approval expires at its end date, without a scheduled
        task. `now` is in seconds since the epoch.
        """
        return state_of(self.status, self.approved_until, now)

    def is_approved(self, now: float) -> bool:
        return self.state(now) == self.Status.APPROVED

    @cached_property
    def keys(self) -> tuple[jwks.Key, ...]:
        """The keys registered by value (`jwks`, RFC 7591 §2). Raises `jwts.JwtError` for an invalid set."""
        return jwts.keys_from_jwks(self.client_jwks or {"keys": []})

    @property
    def kind(self) -> str:
        """`registered`, `dynamic`, `cimd` or `workload`, as rules name it."""
        return kind_of(self.registration_source, self.token_endpoint_auth_method, self.grant_types)

    @property
    def host(self) -> str:
        """The host that vouches for a client named by a URL (CIMD); `""` for any other."""
        return host_of(self.registration_source, self.client_id)

    @property
    def redirect_uri_list(self) -> list[str]:
        uris: str = self.redirect_uris
        return uris.split()

    @property
    def is_confidential(self) -> bool:
        return self.token_endpoint_auth_method != "none"  # noqa: S105 not a secret

    def allows_grant_type(self, *grant_types: str) -> bool:
        return any(grant_type in self.grant_types for grant_type in grant_types)

    def clean(self) -> None:
        # The toolkit's clean() requires one grant type; authz/protocol/client_metadata.py validates ours.
        pass

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.client_type = self.CLIENT_CONFIDENTIAL if self.is_confidential else self.CLIENT_PUBLIC
        self.hash_client_secret = False
        # Every door says so with a sentence (authz/clients/identifiers.py); this is for the ones that are yet to be
        # built.
        if self._state.adding and is_like_a_subject(self.client_id):
            raise ValidationError({"client_id": "A client is not named like a person: this is a UUID."})
        super().save(*args, **kwargs)


_KINDS = {"cimd": "cimd", "dcr": "dynamic"}
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  an identifier, not a secret
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 not a secret


# A client's properties from its columns, as functions for code that reads many rows (authz/decisions/simulation.py).


def state_of(status: str, approved_until: datetime | None, now: float) -> Client.Status:
    """See `Client.state`."""
    if status == Client.Status.APPROVED and approved_until and approved_until.timestamp() <= now:
        return Client.Status.PENDING
    return Client.Status(status)


# Of a client without a secret: it lives by what its platform signs for it.
WORKLOAD_GRANTS = ([JWT_BEARER], [JWT_BEARER, TOKEN_EXCHANGE], [TOKEN_EXCHANGE, JWT_BEARER], [TOKEN_EXCHANGE])


def kind_of(registration_source: str, token_endpoint_auth_method: str, grant_types: Sequence[str]) -> str:
    """See `Client.kind`."""
    # A public document whose only grant is jwt-bearer speaks for people (ID-JAG), and is no workload.
    is_document = registration_source == Client.RegistrationSource.CIMD
    if not is_document and token_endpoint_auth_method == "none" and [*grant_types] in WORKLOAD_GRANTS:  # noqa: S105 not a secret
        return "workload"
    return _KINDS.get(registration_source, "registered")


# The words of `registration_source` for the same; a filter takes them as well.
FORMER_KINDS = {"manual": "registered", "dcr": "dynamic"}
KINDS = ("registered", "dynamic", "cimd", "workload")


def is_of_kind(kind: str) -> models.Q:
    """The condition that `Client.kind` is this one of `KINDS` or `FORMER_KINDS`."""
    name = FORMER_KINDS.get(kind, kind)
    grants = models.Q(pk__in=())
    for names in WORKLOAD_GRANTS:
        grants |= models.Q(grant_types=names)
    is_workload = models.Q(token_endpoint_auth_method="none") & grants  # noqa: S106 not a secret
    is_workload &= ~models.Q(registration_source=Client.RegistrationSource.CIMD)
    if name == "workload":
        return is_workload
    sources = [source for source in Client.RegistrationSource.values if _KINDS.get(source, "registered") == name]
    return models.Q(registration_source__in=sources) & ~is_workload


def host_of(registration_source: str, client_id: str) -> str:
    """See `Client.host`."""
    is_cimd = registration_source == Client.RegistrationSource.CIMD
    return (urlsplit(client_id).hostname or "") if is_cimd else ""


def digest(secret: str) -> str:
    """The SHA-256 of a high-entropy secret, as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()
