"""What was cut off, by whom, and what it was before: what an undo gives back (authz/cut_off.py)."""

from django.db import models


class CutOff(models.Model):
    """One use of the switch. `before` and `after` are the target's state around it; only what changed can be undone."""

    kind = models.CharField(max_length=32)
    identifier = models.CharField(max_length=1024)
    name = models.CharField(max_length=1024)
    time = models.DateTimeField(db_index=True)
    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True, default="")
    counts = models.JSONField(default=dict)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    undone = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        verbose_name = "cut-off"
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "identifier"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def can_be_undone(self) -> bool:
        return self.undone is None and self.before != self.after
