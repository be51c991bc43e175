"""Protected resources: MCP servers, named by their canonical URI (RFC 9728, RFC 8707), and their scopes."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from authz.models.ended import Standing, ended_column
from authz.models.pending_answer import PendingAnswer

NONE = models.Value([], models.JSONField())


class ProtectedResource(models.Model):
    """An MCP server. An access token is for exactly one."""

    class Algorithm(models.TextChoices):
        RS256 = "RS256", "RS256"
        ES256 = "ES256", "ES256"
        EDDSA = "EdDSA", "EdDSA"

    identifier = models.CharField(max_length=1024, unique=True, help_text="The canonical URI, in tokens as `aud`.")
    name = models.CharField(max_length=255)
    is_default = models.BooleanField(default=False, help_text="Used when a request names no resource.")
    is_active = models.BooleanField(default=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="owned_resources"
    )
    owners = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="co_owned_resources",
        help_text="Others with the same rights as the owner.",
    )
    approvers = models.JSONField(
        null=True, blank=True, help_text="The approvers where a rule requires approval and names none."
    )
    access_token_lifetime = models.PositiveIntegerField(
        default=600, validators=[MinValueValidator(30), MaxValueValidator(86_400)], help_text="Seconds."
    )
    access_token_signing_alg = models.CharField(max_length=8, choices=Algorithm.choices, default=Algorithm.RS256)
    status_list = models.BooleanField(
        default=False, db_default=False, help_text="Its tokens say where a status list shows whether they have ended."
    )
    dpop_bound_access_tokens_required = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its tokens are bound to a key that the agent shows (DPoP); others are refused.",
    )
    pending_answer = models.CharField(
        max_length=16,
        choices=PendingAnswer.choices,
        default=PendingAnswer.ALWAYS,
        db_default=PendingAnswer.ALWAYS,
        help_text="Whether a client is told that its request waits for an approval, or reads a plain refusal.",
    )
    labels = models.JSONField(
        default=list, db_default=NONE, blank=True, help_text="The organisation's words for it; rules can name them."
    )
    tools = models.JSONField(
        default=list, db_default=NONE, blank=True, help_text="[{name, labels, description}]; a name may be a pattern."
    )
    introspection_clients = models.ManyToManyField("authz.Client", blank=True, related_name="introspects")
    decision_clients = models.ManyToManyField(
        "authz.Client",
        blank=True,
        related_name="decides_at",
        help_text="The clients that may ask whether a call is allowed here, such as this server itself or its gateway.",
    )
    claims_clients = models.ManyToManyField(
        "authz.Client",
        blank=True,
        related_name="claims_at",
        help_text="Of those, the ones whose word about a token's claims is taken, without the token.",
    )
    exchange_clients = models.ManyToManyField(
        "authz.Client",
        blank=True,
        related_name="exchanges_at",
        help_text="The clients that this server is: they may exchange its tokens for tokens of other servers.",
    )
    may_act = models.CharField(
        max_length=2048,
        blank=True,
        default="",
        db_default="",
        help_text="The one of them that its tokens name as their may_act.",
    )
    scope_mappings = models.JSONField(
        default=list,
        db_default=NONE,
        blank=True,
        help_text="[{to, scopes: {scope here: [scopes there]}}]: what its tokens may be exchanged for.",
    )
    recorded_calls = models.PositiveIntegerField(
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="Of so many allowed calls one is recorded. Refused ones are all recorded.",
    )
    usual_calls = models.PositiveIntegerField(
        default=200,
        db_default=200,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="So many allowed calls a day of one agent, for one person, are usual in any case.",
    )
    usual_times = models.PositiveSmallIntegerField(
        default=3,
        db_default=3,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="And so many times those of the busiest day of the month before.",
    )
    shown_arguments = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="The members of a call's arguments that the audit and approvers may see.",
    )

    ended = ended_column()

    objects: ClassVar[models.Manager["ProtectedResource"]] = Standing()
    all_objects: ClassVar[models.Manager["ProtectedResource"]] = models.Manager()

    class Meta:
        verbose_name = "MCP server"
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="authz_one_default_resource"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.identifier

    def owner_keys(self) -> frozenset[int]:
        """The keys of its owners: the one who is named first, and all others."""
        first = () if self.owner_id is None else (self.owner_id,)
        return frozenset((*first, *(person.pk for person in self.owners.all())))


def asks_before_calls() -> models.Exists:
    """Whether it has clients that ask before each call, to annotate rows with."""
    joins = ProtectedResource.decision_clients.through._default_manager
    return models.Exists(joins.filter(protectedresource=models.OuterRef("pk")))


def owned_by(person: Any) -> models.Q:
    """The MCP servers of which a person is an owner. A query with it needs `distinct()`."""
    return models.Q(owner=person) | models.Q(owners=person)


class Scope(models.Model):
    """A scope of one protected resource, in words that a person consents to."""

    class Sensitivity(models.TextChoices):
        LOW = "low", "Low"
        MEDIUM = "medium", "Medium"
        HIGH = "high", "High"

    resource = models.ForeignKey(ProtectedResource, on_delete=models.CASCADE, related_name="scopes")
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=255, blank=True, default="")
    sensitivity = models.CharField(max_length=8, choices=Sensitivity.choices, default=Sensitivity.LOW)

    labels = models.JSONField(default=list, db_default=NONE, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["resource", "name"], name="authz_scope_once_per_resource")]

    def __str__(self) -> str:
        return self.name
