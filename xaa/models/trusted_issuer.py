"""Foreign issuers whose assertions we believe, each only for what its row names."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

# Seconds. Kubernetes projects tokens for an hour by default and a day at the most; Azure's managed identities get
# theirs for 86,700, which is why 25 hours are the bound.
LEAST_LIFETIME, USUAL_LIFETIME, GREATEST_LIFETIME = 60, 24 * 3600, 25 * 3600


class TrustedIssuer(models.Model):
    """An issuer, by its identifier, byte for byte. It is trusted only for what `accepts` names (invariant 5)."""

    class Use(models.TextChoices):
        ID_JAG = "id-jag", "ID-JAGs"
        ID_TOKEN = "id_token", "ID tokens"
        WORKLOAD = "workload", "Workload assertions"

    class Match(models.TextChoices):
        SUB = "sub", "Linked subject"
        EMAIL = "email", "Verified email"

    issuer = models.CharField(max_length=512, unique=True, help_text="As it stands in `iss`.")
    name = models.CharField(max_length=255)
    enabled = models.BooleanField(default=True)
    jwks_uri = models.CharField(
        max_length=1024, blank=True, default="", help_text="Empty: discovered from the issuer's metadata."
    )
    accepts = models.JSONField(default=list, help_text="Any of id-jag, id_token and workload; nothing if empty.")
    match = models.JSONField(
        default=list, blank=True, help_text="How (iss, sub) becomes a person: sub (linked), email (only if verified)."
    )
    create = models.BooleanField(default=False, help_text="Make a person at the first assertion about them.")
    groups_claim = models.CharField(
        max_length=64, blank=True, default="", help_text="The claim whose values are a person's groups; empty: none."
    )
    tenants = models.JSONField(
        default=list, blank=True, help_text="Of a multi-tenant issuer, the tenants that are believed; empty: any."
    )
    aud_tenant = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="What the issuer calls us in `aud_tenant`, as one tenant of many; empty: nothing.",
    )
    client_ids = models.JSONField(
        default=dict,
        blank=True,
        help_text="For ID tokens: the issuer's client id (the audience) and which of our clients it stands for.",
    )
    public_clients = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Hosts whose documents may redeem this issuer's ID-JAGs without authenticating; none if empty.",
    )
    public_client_lifetime = models.PositiveSmallIntegerField(
        default=60, db_default=60, help_text="Seconds that an ID-JAG may live which such a client redeems; 300 at most."
    )
    email_trusted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its addresses are believed without email_verified, within its domains.",
    )
    email_domains = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="The domains whose addresses it may speak for; empty: see email_trusted.",
    )

    trusted_audiences = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="For ID tokens that are for several audiences: which others may stand beside the client's.",
    )
    jwks = models.JSONField(
        null=True,
        blank=True,
        help_text="Its public keys (a JWK Set), where this server cannot ask for them: private clusters, air gaps.",
    )
    audience = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="What a workload's aud may be beside our issuer, exactly; for platforms that do not let one choose.",
    )
    max_lifetime = models.PositiveIntegerField(
        default=USUAL_LIFETIME,
        db_default=USUAL_LIFETIME,
        validators=[MinValueValidator(LEAST_LIFETIME), MaxValueValidator(GREATEST_LIFETIME)],
        help_text="Seconds that a workload's assertion may live at the most.",
    )
    reuse = models.BooleanField(
        default=False, db_default=False, help_text="A workload's assertion serves until it expires; otherwise once."
    )

    class Meta:
        ordering = ["issuer"]
        verbose_name = "trusted issuer"

    def __str__(self) -> str:
        return self.name or self.issuer


class WorkloadBinding(models.Model):
    """Which workloads of an issuer are which of our clients (SEP-1933): no secret anywhere."""

    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.CASCADE, related_name="workloads")
    subject = models.CharField(
        max_length=512,
        help_text="The assertion's sub. “*” stands for one segment (no / and no :), at the very end for any rest.",
    )
    claims = models.JSONField(default=dict, blank=True, help_text="Claims that must be there, with this value.")
    reuse = models.BooleanField(
        default=False, db_default=False, help_text="Its assertion serves until it expires; otherwise once."
    )
    client = models.ForeignKey("authz.Client", on_delete=models.CASCADE, related_name="workloads")

    class Meta:
        ordering = ["id"]
        verbose_name = "workload"

    def __str__(self) -> str:
        return self.subject


class IssuerHealth(models.Model):
    """What was last seen of an issuer's keys; written when they are fetched, which is rare. Not configuration."""

    issuer = models.OneToOneField(TrustedIssuer, on_delete=models.CASCADE, primary_key=True, related_name="health")
    fetched = models.DateTimeField(null=True, help_text="The last successful fetch.")
    next_fetch = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    failed = models.DateTimeField(null=True)
    failure = models.CharField(max_length=64, blank=True, default="")
    keys = models.PositiveIntegerField(default=0)
    passed_over = models.JSONField(
        default=list, db_default=[], help_text="The entries that do not count, and why: a sentence each."
    )

    def __str__(self) -> str:
        return f"{self.issuer_id}: {self.keys} keys, {self.failures} failures"
