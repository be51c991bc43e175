"""Status lists: where resource servers see which tokens have ended without asking
(authz/authorizations/status_lists.py)."""

from django.db import models


class StatusList(models.Model):
    """One list of a fixed size. Its entries are reserved in blocks; the authorizations' rows name their entries.

    Authorizations of similar lifetime share a list, so that it can be removed after the last of them has ended.
    """

    class Kind(models.TextChoices):
        BRIEF = "brief", "As long as one access token"
        LONG = "long", "As long as a refresh token"
        MACHINE = "machine", "Until it is ended"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    seed = models.CharField(max_length=32, help_text="What its indices are scattered by, 32 hexadecimal digits.")
    allotted = models.PositiveIntegerField(default=0)
    created = models.DateTimeField()
    closed = models.DateTimeField(null=True, help_text="When its last entry was allotted.")

    class Meta:
        indexes = [models.Index(fields=["kind", "closed"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class EndedEntry(models.Model):
    """An entry that stays INVALID, because rules no longer allow all that tokens with it were issued for. The
    authorization goes on with another one, for `scopes`: what was still allowed then, or is again since.
    """

    status_list = models.ForeignKey(StatusList, on_delete=models.CASCADE, related_name="ended_entries")
    index = models.PositiveIntegerField()
    authorization = models.ForeignKey("authz.Authorization", on_delete=models.CASCADE, related_name="ended_entries")
    scopes = models.JSONField(default=list)
    ended = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["status_list", "index"], name="authz_one_end_of_an_entry")]

    def __str__(self) -> str:
        return f"{self.status_list_id}/{self.index}"
