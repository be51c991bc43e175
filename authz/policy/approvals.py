"""An approval: what a human answered to an access request, for a time.

It lifts `require_approval` for exactly its client, subject, resource, grant types and scopes, and nothing else: no
deny, no question of another person or agent, and no rule that did not ask for it. It ends by itself.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from authz.policy.question import AccessQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One answered access request.

    subject       as in the question: None for a machine.
    resource      as in the question; "" where only identity scopes were asked for.
    scopes        what was approved, by exact name.
    declined      what was asked for and left out by the approver: it isn't asked again while this lives. A request
                  denied as a whole is an approval of nothing that declines everything.
    grant_types   exact names, or "*" for any.
    rules         names of the rules that asked for it: one that came later asks for itself. None: it answers any.
    through       ids of the clients that the question came through: it is for this path and no other.
    call          the `digest` of the one tool call that it is for; "" for what a token may do.
    not_before, expires   seconds since the epoch: from, and up to but without.
    """

    id: str
    client_id: str
    subject: str | None
    resource: str
    scopes: tuple[str, ...]
    declined: tuple[str, ...] = ()
    grant_types: tuple[str, ...]
    rules: tuple[str, ...] | None = None
    through: tuple[str, ...] = ()
    call: str = ""
    not_before: float
    expires: float

    def is_live(self, now: float) -> bool:
        # What has no end was never meant to be an approval.
        return self.not_before <= now < self.expires < math.inf

    def is_for(self, question: AccessQuestion) -> bool:
        """Whether it is for the question's client, subject, path, grant and call; resource and scopes are compared
        elsewhere.

        One that is for no call is for each call of a token, but answers no rule that speaks of calls (decide.py).
        """
        return (
            self.client_id == question.client_id
            and self.subject == question.subject
            and self.through == question.path()
            and ("*" in self.grant_types or question.grant_type in self.grant_types)
            and (not self.call or (question.tool is not None and self.call == question.tool.digest))
        )

    def answers(self, rules: Collection[str]) -> bool:
        """Whether all of these rules had asked for it."""
        return self.rules is None or set(rules) <= set(self.rules)
