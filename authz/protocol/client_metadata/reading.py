"""The metadata of one client while it is validated."""

from collections.abc import Mapping
from typing import Any

from authz.protocol.client_metadata.values import Check, Terms, Verdict


class Reading:
    """The members, the terms, and the checks so far."""

    def __init__(self, members: Mapping[str, Any], terms: Terms) -> None:
        self.members = members
        self.terms = terms
        self.checks: list[Check] = []
        self.hosts_left_out: dict[str, None] = {}

    def passed(self, name: str, explanation: str) -> None:
        self.checks.append(Check(name, Verdict.PASSED, explanation))

    def narrowed(self, name: str, explanation: str) -> None:
        self.checks.append(Check(name, Verdict.NARROWED, explanation))

    def refused(self, name: str, explanation: str) -> None:
        self.checks.append(Check(name, Verdict.REFUSED, explanation))

    def switch(self, name: str) -> bool:
        """A member that is true or false, false where it is left out; refused if it is something else."""
        value = self.members.get(name, False)
        if isinstance(value, bool):
            return value
        self.refused(name, "It must be true or false.")
        return False

    def strings(self, name: str, default: list[str]) -> list[str] | None:
        """A member that is a list of strings; None (and refused) if it is something else."""
        value = self.members.get(name, default)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return list(dict.fromkeys(value))
        self.refused(name, "It must be a list of strings.")
        return None
