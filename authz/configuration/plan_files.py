"""The files of plans, which may hold secrets: ciphertext at rest (invariant 9), and kept only while they are needed.

The file of an applied plan is kept for a comparison with what is there now.
"""

from authz.configuration.engine import Change, apply
from authz.database.transactions import long_statements
from authz.keys import secrets_at_rest
from authz.models import ConfigurationPlan

# Applied plans whose files are kept.
KEPT = 20
_PURPOSE = "files of plans at rest"


class PlanRefused(Exception):
    """Why a plan is not made, approved, applied or compared, as a sentence."""


def sealed(plan: ConfigurationPlan, text: str) -> bytes:
    return secrets_at_rest.encrypt(text.encode(), purpose=_PURPOSE, about=_about(plan))


def opened(plan: ConfigurationPlan) -> str:
    """Raises `PlanRefused`."""
    try:
        return secrets_at_rest.decrypt(bytes(plan.file or b""), purpose=_PURPOSE, about=_about(plan)).decode()
    except secrets_at_rest.WrongKeyError:
        raise PlanRefused("Its file cannot be decrypted any more: plan the file again.") from None


def forget_old() -> None:
    """Forget the files of applied plans, except the newest."""
    applied = ConfigurationPlan.objects.filter(status=ConfigurationPlan.Status.APPLIED)
    kept = [plan.pk for plan in applied.order_by("-applied", "-id").only("pk")[:KEPT]]
    applied.filter(file__isnull=False).exclude(pk__in=kept).update(file=None)


def drift_since(plan: ConfigurationPlan) -> list[Change]:
    """What differs by now from the file of an applied plan: the changes that applying it anew would make. Raises
    `PlanRefused`, and `ConfigurationError` if the file has become invalid.
    """
    if plan.status != ConfigurationPlan.Status.APPLIED:
        raise PlanRefused("It was not applied.")
    if plan.file is None:
        raise PlanRefused(f"Its file is no longer kept: those of the last {KEPT} applied plans are.")
    return drift(opened(plan), prune=plan.prune)


def drift(text: str, *, prune: bool, local: bool = False) -> list[Change]:
    """What differs between a file and what is there: the changes that applying it would make. Raises
    `ConfigurationError`.
    """
    with long_statements():
        return apply(text, prune=prune, prune_all=True, dry_run=True, local=local)


def _about(plan: ConfigurationPlan) -> str:
    """What the ciphertext is bound to: one file cannot take the place of another, nor prune where it did not."""
    return f"{plan.pk} {plan.prune}"


def _moved(plan: ConfigurationPlan) -> bytes | None:
    if not plan.file:
        return None
    return secrets_at_rest.moved(bytes(plan.file), purpose=_PURPOSE, about=_about(plan))


AT_REST = secrets_at_rest.AtRest(ConfigurationPlan, "file", _moved)
