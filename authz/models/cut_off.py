"""Cut-offs with their authors and the earlier states, which an undo restores (authz/authorizations/cut_off.py)."""

from django.db import models


class CutOff(models.Model):
    """One use of the switch. `before` and `after` are the target's state around it; only what changed can be undone."""

    kind = models.CharField(max_length=32)
    identifier = models.CharField(max_length=1024)
    name = models.CharField(max_length=1024)
    time = models.DateTimeField(db_index=True)
    by = models.CharField(max_length=150)
    # The person's `sub`: names are given up and taken again. Empty: not a person in the console or at the API.
    by_subject = models.CharField(max_length=36, blank=True, default="", db_default="")
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


class CutOffMark(models.Model):
    """A row that is still as a cut-off left it. A change of the row, by any writer, removes its marks in the same
    transaction (authz/models/mark_triggers.py), so an undo does not restore rows that have changed since."""

    cut_off = models.ForeignKey(CutOff, on_delete=models.CASCADE, related_name="marks")
    of_table = models.CharField(max_length=63)
    of_row = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["of_table", "of_row"], name="authz_cut_off_mark_of")]

    def __str__(self) -> str:
        return f"{self.of_table} {self.of_row}"
