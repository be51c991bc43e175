from django.db import models


class CheckpointKey(models.Model):
    """A key that signs checkpoints of the audit (authz/evidence/checkpoint_keys.py): an Ed25519 seed, encrypted under a
    key from the environment (invariant 9). Its public half is not stored, so an attacker cannot add a trusted key.
    """

    name = models.CharField(max_length=1024, help_text="The name it signs with, which is the log's origin, too.")
    key_id = models.CharField(max_length=8, primary_key=True)
    encrypted = models.BinaryField(editable=False)
    created = models.DateTimeField()
    retired = models.DateTimeField(null=True, help_text="When it stopped signing. What it signed still holds.")

    class Meta:
        ordering = ["created"]

    def __str__(self) -> str:
        return f"{self.name} {self.key_id}"


class AuditSegment(models.Model):
    """A run of sealed events: the leaves [start, size) of the tree, in their order, and the checkpoint that covers
    them and all before them. Append-only; it may go once it is archived (authz/models/triggers.py).
    """

    start = models.BigIntegerField(primary_key=True, help_text="The index of its first leaf: so it exists once.")
    size = models.BigIntegerField(unique=True, help_text="The tree's size with it.")
    last_id = models.BigIntegerField(unique=True, help_text="The id of its last event.")
    ids = models.BinaryField(help_text="The events' ids, 8 bytes each, in the order of the leaves.")
    leaves = models.BinaryField(help_text="The leaf hashes, 32 bytes each.")
    frontier = models.BinaryField(help_text="The tree's frontier with it (authz/evidence/merkle.py).")
    checkpoint = models.TextField(help_text="The signed note.")
    sealed = models.DateTimeField()

    class Meta:
        ordering = ["start"]

    def __str__(self) -> str:
        return f"{self.start}–{self.size}"


class AuditArchive(models.Model):
    """Sealed events that were written to a file, so that their rows may go: everything up to `last_id`. Append-only."""

    start = models.BigIntegerField(primary_key=True)
    size = models.BigIntegerField(unique=True)
    last_id = models.BigIntegerField(unique=True)
    file = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    frontier = models.BinaryField()
    checkpoint = models.TextField()
    archived = models.DateTimeField()

    class Meta:
        ordering = ["start"]

    def __str__(self) -> str:
        return self.file


class AuditDestination(models.Model):
    """A destination of the audit (configuration), and its position (state)."""

    class Format(models.TextChoices):
        JSON_LINES = "jsonl"
        OCSF = "ocsf"
        CEF = "cef"
        CHECKPOINT = "checkpoint"

    name = models.CharField(max_length=100, primary_key=True)
    format = models.CharField(max_length=16, choices=Format.choices)
    to = models.CharField(max_length=2048, help_text="https://…, syslog+tls://host:port or file:name.")
    encrypted_token = models.BinaryField(default=b"", editable=False, help_text="The bearer token, encrypted.")
    enabled = models.BooleanField(default=True)

    position = models.BigIntegerField(default=0, help_text="The next leaf to tell of.")
    failures = models.PositiveIntegerField(default=0, help_text="How often in a row it failed.")
    failure = models.CharField(max_length=200, blank=True, default="")
    failed = models.DateTimeField(null=True)
    delivered = models.DateTimeField(null=True)
    # Seconds since the epoch; 0 means at once, or no holder.
    next_try = models.FloatField(default=0)
    lease_until = models.FloatField(default=0)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
