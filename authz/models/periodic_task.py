from django.db import models


class PeriodicTask(models.Model):
    """A scheduled task's last run, its result, and its lease. Times are seconds since the epoch, 0 for never
    (authz/operations/periodic.py).
    """

    name = models.CharField(max_length=100, primary_key=True)
    due = models.FloatField(default=0)
    lease_until = models.FloatField(default=0)
    holder = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="The process that has the lease."
    )
    succeeded = models.FloatField(default=0)
    failed = models.FloatField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="How often in a row it failed.")
    failure = models.CharField(max_length=200, blank=True, default="")

    def __str__(self) -> str:
        return self.name
