"""No person approves their own agent, and a change of status by configuration needs the permission to approve, too."""

from collections.abc import Callable

from rest_framework.request import Request

from authz.api.framework.problems import Problem
from authz.api.framework.view import principal_of, require
from authz.approvals.agent_lifecycle import OWN
from authz.configuration import Change
from authz.models import Client
from authz.sign_in.roles import APPROVE_AGENTS


def not_ones_own(request: Request) -> Callable[[Change], None]:
    """A `permit` for changes of configuration: one that approves an agent needs the permission to approve agents.
    The permit raises `Problem`.
    """
    principal = principal_of(request)

    def permit(change: Change) -> None:
        if change.section != "clients" or change.after.get("status") != Client.Status.APPROVED:
            return
        # Another end date is a renewal, which is an approval.
        if all(change.before.get(name) == change.after.get(name) for name in ("status", "approved_until")):
            return
        require(request, APPROVE_AGENTS)
        me = principal.person.username if principal.person else None
        if me is not None and me in (change.before.get("owner"), change.after.get("owner")):
            raise Problem(403, OWN)

    return permit
