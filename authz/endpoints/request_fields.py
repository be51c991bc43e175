"""What extensions ask for, on the pages of the browser flow from which a person asks for access."""

from dataclasses import replace
from datetime import datetime

from django.http import HttpRequest

from authz.approvals import extension_fields
from authz.approvals.extension_fields import FieldError
from authz.models import AccessRequest, User


class RequestFields:
    """The fields of a page's form for an MCP server. `waiting`: the request that there is already."""

    def __init__(self, resource: str, waiting: AccessRequest | None, request: HttpRequest) -> None:
        self._resource, self._posted = resource, request.POST
        self.asked = extension_fields.asked(waiting) if waiting else extension_fields.asked_at(resource)
        # As it was typed, also where it is refused.
        if request.method == "POST":
            self.asked = [replace(one, value=request.POST.get(one.key, one.value)) for one in self.asked]
        self.given: extension_fields.Given = {}
        self.problem = ""

    @staticmethod
    def shown(resource: str) -> list[str]:
        """What the form is bound to: one that asks for something else now is shown again."""
        return [f"{one.key} {one.field.required} {one.field.label}" for one in extension_fields.asked_at(resource)]

    def are_taken(self) -> bool:
        """Whether the form has what is required, and all of it fits; `problem` says why not. Nothing is asked then."""
        try:
            self.given = extension_fields.from_form(self._resource, self._posted)
            extension_fields.taken(self._resource, self.given, is_whole=True)
        except FieldError as problem:
            self.problem = str(problem)
        return not self.problem

    def are_given(self, row: AccessRequest, user: User, now: datetime) -> bool:
        """Keep them with the request. False: an approver has decided on others before."""
        try:
            if self.asked:
                extension_fields.give(row, by=user, given=self.given, now=now)
        except FieldError as problem:
            self.problem = str(problem)
        return not self.problem
