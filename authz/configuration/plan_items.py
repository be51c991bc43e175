"""A plan as the API and `plan --json` show it."""

from datetime import datetime
from typing import Any

from authz.models import ConfigurationPlan


def plan_as_item(plan: ConfigurationPlan | None, now: datetime, *, with_changes: bool = True) -> dict[str, Any]:
    """None: applying the file would change nothing."""
    if plan is None:
        return {"id": None, "status": "unchanged", "changes": []}
    return {
        "id": str(plan.pk),
        "status": plan.status_at(now),
        "planned_by": plan.planned_by,
        "created": plan.created.isoformat(),
        "expires": plan.expires.isoformat(),
        "note": plan.note,
        "prune": plan.prune,
        "digest": plan.digest,
        **({"changes": plan.changes} if with_changes else {}),
        "warnings": plan.warnings,
        "decided_by": plan.decided_by_name or None,
        "decided": plan.decided.isoformat() if plan.decided else None,
        "comment": plan.comment,
        "applied_by": plan.applied_by or None,
        "applied": plan.applied.isoformat() if plan.applied else None,
    }
