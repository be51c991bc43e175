from django.db import models


class RemovalMark(models.Model):
    """Up to which end the used assertions may have been removed. One that ends earlier is refused: whether it was used
    is not known any more (authz/database/replay.py).
    """

    name = models.CharField(max_length=40, primary_key=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} until {self.until:%Y-%m-%d %H:%M:%S}"


class ClockAnchor(models.Model):
    """A machine's wall clock at a time of its uptime (authz/database/clocks.py). In seconds."""

    boot = models.CharField(max_length=36, primary_key=True)
    wall = models.FloatField()
    uptime = models.FloatField()
    ahead_since = models.FloatField(null=True)

    def __str__(self) -> str:
        return self.boot
