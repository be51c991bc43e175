"""The console's list of linked people: which person an issuer's subject is."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from authz.console.model_admin import ConsoleAdmin
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import foreign, when
from xaa.models import (
    SubjectLink,
)


@admin.register(SubjectLink, site=console)
class SubjectLinkAdmin(ConsoleAdmin):
    place = Place("Operate", "People", "person", tab="Linked identities", order=1)
    introduction = "Which person an issuer's subject is. Removing a link ends all authorizations under it."
    empty_text = "No identity is linked to a person yet."
    list_display = ("identity", "tenant", "of_issuer", "person", "gives", "since")
    list_filter = ("issuer",)
    list_select_related = ("issuer", "user")
    search_fields = ("subject", "user__username", "user__email")
    raw_id_fields = ("user",)  # the widget that suggests has no name that a screen reader could say
    fields = ("issuer", "tenant", "subject", "user")

    @admin.display(description="subject", ordering="subject")
    def identity(self, row: SubjectLink) -> SafeString:
        return foreign(row.subject)

    @admin.display(description="issuer", ordering="issuer__name")
    def of_issuer(self, row: SubjectLink) -> SafeString:
        return foreign(row.issuer.name or row.issuer.issuer)

    @admin.display(description="person", ordering="user__username")
    def person(self, row: SubjectLink) -> SafeString:
        return foreign(row.user.username, sub=row.user.email)

    @admin.display(description="groups from the issuer")
    def gives(self, row: SubjectLink) -> SafeString:
        return foreign(", ".join(row.given) or "—")

    @admin.display(description="since", ordering="created")
    def since(self, row: SubjectLink) -> SafeString | str:
        return when(row.created)

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False
