"""Signal sources: the streams of security events that trusted issuers send here, and what came of each event."""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

USUAL_LIMIT, GREATEST_LIMIT = 100, 100_000


class SignalSource(models.Model):
    """One stream of one transmitter, which speaks only of the people of one trusted issuer (and tenant)."""

    class Delivery(models.TextChoices):
        PUSH = "push", "Push: it sends events here (RFC 8935)"
        POLL = "poll", "Poll: this server fetches them (RFC 8936)"

    name = models.CharField(max_length=100, unique=True)
    issuer = models.ForeignKey(
        "xaa.TrustedIssuer",
        on_delete=models.CASCADE,
        related_name="signal_sources",
        help_text="The trusted issuer whose people the events are about.",
    )
    tenant = models.CharField(max_length=255, blank=True, default="", help_text="Of a multi-tenant issuer: which one.")
    transmitter = models.CharField(
        max_length=512, blank=True, default="", help_text="The `iss` of its events; empty: the trusted issuer's own."
    )
    jwks_uri = models.CharField(
        max_length=1024,
        blank=True,
        default="",
        help_text="Its keys; empty: as its configuration document says, or the trusted issuer's keys.",
    )
    audience = models.JSONField(
        default=list,
        blank=True,
        help_text="What the `aud` of its events may be; empty: our issuer, or what it said when the stream was made.",
    )
    delivery = models.CharField(max_length=8, choices=Delivery, default=Delivery.PUSH)
    poll_url = models.CharField(
        max_length=1024,
        blank=True,
        default="",
        help_text="Where to poll; empty: what it said when the stream was made.",
    )
    token = models.BinaryField(default=bytes, editable=False)  # ours at the transmitter, encrypted
    # Instead of such a token: our client there, by which an access token is asked for.
    client_id = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="Our client at the transmitter's authorization server, for access tokens by client credentials.",
    )
    client_secret = models.BinaryField(default=bytes, db_default=b"", editable=False)  # encrypted
    token_endpoint = models.CharField(
        max_length=1024,
        blank=True,
        default="",
        db_default="",
        help_text="Where access tokens come from; empty: as the transmitter's metadata says.",
    )
    scope = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="Of access tokens; empty: as the transmitter's metadata says, or “ssf.manage ssf.read”.",
    )
    actions = models.JSONField(default=dict, blank=True, help_text="What an event leads to, where not the usual.")
    limit = models.PositiveIntegerField(
        default=USUAL_LIMIT,
        validators=[MinValueValidator(1), MaxValueValidator(GREATEST_LIMIT)],
        help_text="How many people it may end the access of in an hour. With one more it is held.",
    )
    preview = models.BooleanField(default=False, help_text="Record what its events would do, and do nothing.")
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SignalSourceState(models.Model):
    """How a source is. Not configuration: its events, its polls and its transmitter write here."""

    source = models.OneToOneField(SignalSource, on_delete=models.CASCADE, primary_key=True, related_name="state")
    # What the transmitter answered when the stream was made there.
    stream_id = models.CharField(max_length=255, blank=True, default="")
    audience = models.JSONField(default=list)
    poll_url = models.CharField(max_length=1024, blank=True, default="")
    jwks_uri = models.CharField(max_length=1024, blank=True, default="")
    critical = models.JSONField(default=list)  # members of a subject that have to be understood
    delivered = models.JSONField(default=list)
    # What it last said of the stream, by stream-updated or when asked: enabled, paused, disabled; "" for nothing yet.
    status = models.CharField(max_length=16, blank=True, default="")
    status_reason = models.CharField(max_length=255, blank=True, default="")
    status_at = models.DateTimeField(null=True)
    held = models.DateTimeField(null=True)
    held_because = models.CharField(max_length=255, blank=True, default="")
    counted_from = models.DateTimeField(null=True)  # the last release: what was ended before does not count
    last = models.DateTimeField(null=True)  # when its last event came
    verified = models.DateTimeField(null=True)
    state_digest = models.CharField(max_length=64, blank=True, default="")  # of the `state` that was sent to be echoed
    asked = models.DateTimeField(null=True)  # when it was asked for a verification event
    failed = models.DateTimeField(null=True)
    failure = models.CharField(max_length=255, blank=True, default="")
    polled = models.DateTimeField(null=True)
    due = models.FloatField(default=0)  # when to poll again, in seconds since the epoch
    failures = models.PositiveIntegerField(default=0)  # polls that failed, in a row

    def __str__(self) -> str:
        return f"{self.source_id}: {self.last}"


class SignalSourceToken(models.Model):
    """A bearer token by which one source pushes. Only its digest is kept."""

    source = models.ForeignKey(SignalSource, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField()
    expires = models.DateTimeField()
    by = models.CharField(max_length=255)
    withdrawn = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.source} until {self.expires:%Y-%m-%d}"


class ReceivedSignal(models.Model):
    """One event of a source: what it said, which person it was about, and what came of it. Kept for a month."""

    class Outcome(models.TextChoices):
        ACTED = "acted", "Acted on"
        PREVIEWED = "previewed", "Preview only"
        WAITING = "waiting", "Waits: the source is held"
        DISCARDED = "discarded", "Discarded by an administrator"
        RECORDED = "recorded", "Recorded only"
        OUTDATED = "outdated", "Older than a later event"
        NO_PERSON = "no_person", "About no person of this issuer here"
        REFUSED = "refused", "About others than its own people"
        KEPT = "kept", "The person is kept"
        VERIFIED = "verified", "The stream works"
        UPDATED = "updated", "The stream's status"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(SignalSource, on_delete=models.CASCADE, related_name="signals")
    jti = models.CharField(max_length=255)
    event_type = models.CharField(max_length=255)
    members = models.JSONField(default=dict)
    subject = models.JSONField(default=dict)
    issued = models.DateTimeField()
    happened = models.DateTimeField()
    received = models.DateTimeField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="signals_received"
    )
    action = models.CharField(max_length=16, blank=True, default="")
    outcome = models.CharField(max_length=16, choices=Outcome)
    # How many authorizations and sign-ins it ended, or would have.
    ended = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=255, blank=True, default="")
    # What an undo gives back: the cut-off, or values as they were.
    cut_off = models.ForeignKey("authz.CutOff", null=True, on_delete=models.SET_NULL, related_name="+")
    before = models.JSONField(default=dict)
    undone = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ["-received", "-id"]
        indexes = [
            models.Index(fields=["source", "-received"], name="xaa_signals_of_source"),
            models.Index(fields=["source", "outcome", "received"], name="xaa_signals_by_outcome"),
        ]

    TELLS_OF_THE_PAST = True

    def __str__(self) -> str:
        return f"{self.event_type.rpartition('/')[2]} of {self.source} at {self.received:%Y-%m-%d %H:%M} UTC"

    @property
    def can_be_undone(self) -> bool:
        return self.undone is None and (self.cut_off_id is not None or bool(self.before))
