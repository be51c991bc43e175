"""What agents call, by tool and by day: what a call is compared with to see whether it is unusual.

`holder` is who calls and where, as one value (authz/decisions/usage.py): the agent, the person it calls for, the MCP
server, and whether the calls were decided here or are only reported. The keys beside it are for pages and for removal.
There is no constraint in the database behind them: a call waits for no lock on its agent's row.
"""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models


def _key(to: str, **options: Any) -> Any:
    return models.ForeignKey(to, on_delete=models.CASCADE, db_constraint=False, **options)


class _Usage(models.Model):
    holder = models.CharField(max_length=80)
    client = _key("authz.Client")
    user = _key(settings.AUTH_USER_MODEL, null=True)
    resource = _key("authz.ProtectedResource")
    reported = models.BooleanField(default=False, db_default=False)
    told = models.DateTimeField(null=True, help_text="When people were told of it, or it was decided not to.")

    class Meta:
        abstract = True


class ToolUse(_Usage):
    """A tool that an agent has called for a person: `first` at this time, and `last` on this day.

    `is_news`: the agent had called other tools there on an earlier day. On its first day each tool is called for the
    first time, and people are not told.
    """

    tool = models.CharField(max_length=128)
    first = models.DateTimeField()
    last = models.DateField(db_index=True)
    is_news = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["holder", "tool"], name="authz_tool_use_once")]
        indexes: ClassVar = [
            models.Index(fields=["first"], condition=models.Q(is_news=True), name="authz_tool_use_news"),
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.first}"


class CallDay(_Usage):
    """How many calls were allowed on a day (UTC). `unusual_since`: from when on they were more than usual, the
    `busiest` of the days before having had so many.
    """

    day = models.DateField(db_index=True)
    n = models.BigIntegerField(default=0)
    busiest = models.BigIntegerField(default=0)
    unusual_since = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["holder", "day"], name="authz_call_day_once")]
        indexes: ClassVar = [
            models.Index(
                fields=["unusual_since"],
                condition=models.Q(unusual_since__isnull=False),
                name="authz_call_day_unusual",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.n} {self.day}"
