from django.db import models


class EventCount(models.Model):
    """How many events of a kind an hour or a day had: what the console's figures are made of (authz/audit/counts.py).

    `slot` is `2026-11-23 14` for an hour and `2026-11-23` for a day, in UTC. Only figures rest on these rows; what
    happened is in the audit.
    """

    class Dimension(models.TextChoices):
        GRANT = "grant"  # tokens issued, by grant type
        AGENT = "agent"  # tokens issued, by client_id
        RESOURCE = "resource"  # tokens issued, by resource
        REASON = "reason"  # everything refused, by reason
        RULE = "rule"  # what was decided, by the rules that made it

    pk = models.CompositePrimaryKey("dimension", "slot", "value")
    dimension = models.CharField(max_length=8, choices=Dimension.choices)
    slot = models.CharField(max_length=13)
    value = models.CharField(max_length=1024)
    n = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.n} {self.value} {self.slot}"


class EventCountMark(models.Model):
    """One row: every event up to this id is counted."""

    counted_to = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.counted_to)
