"""The budget of fetches that all workers share."""

from django.db import models


class FetchWindow(models.Model):
    """How many fetches began in one minute, in one scope (an origin, or all): the budget that all workers share."""

    scope = models.CharField(max_length=270)
    minute = models.BigIntegerField(db_index=True)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "minute"], name="cimd_one_window")]

    def __str__(self) -> str:
        return f"{self.scope} {self.minute}: {self.count}"
