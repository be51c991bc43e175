"""People with their roles, and the groups that rules name."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz.console.model_admin import ConsoleAdmin, Form
from authz.console.navigation import Place
from authz.console.people import invite, origins, page, second_factors
from authz.console.rules.naming import AsksAboutRules, settle
from authz.console.site import console
from authz.console.widgets import calls
from authz.console.widgets.display import chip, foreign, when
from authz.console.widgets.toolbar import Tool
from authz.models import User
from authz.policy.renaming import NameChange, Named
from authz.sign_in import invitations, memberships, people

_GIVEN_HERE = "Groups that are set here. An identity provider cannot remove them."


class PersonForm(Form):
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "groups" in self.fields:
            own, elsewhere = memberships.own(self.instance), memberships.given_elsewhere(self.instance)
            self.initial["groups"] = [group for group in self.instance.groups.all() if group.name in own]
            self.fields["groups"].help_text = _GIVEN_HERE + (
                f" By their identity provider they are in: {', '.join(sorted(elsewhere))}. It takes them out of these."
                if elsewhere
                else ""
            )

    def _save_m2m(self) -> None:
        # Django's admin calls it in the transaction of the form.
        memberships.set_own(self.instance, [group.name for group in self.cleaned_data["groups"]])

    class Meta:
        model = User
        fields = ("username", "email", "first_name", "last_name", "is_active", "role", "groups")
        help_texts: ClassVar = {
            "username": "What rules and owners call them. Letters, digits and @ . + - _.",
            "email": "Invitations and notices go there. People of an identity provider are found by it.",
            "is_active": "A disabled person cannot sign in, and no token is issued for them.",
            "role": "What they may do in this console; without one, only their own page.",
        }


@admin.register(User, site=console)
class PersonAdmin(ConsoleAdmin):
    place = Place("Operate", "People", "person", tab="People", order=1)
    introduction = "People who may sign in. Rules decide by their groups what agents may do for them."
    form = PersonForm
    change_form_template = "console/person.html"
    list_display = ("person", "role_chip", "member_of", "comes_from", "is_on", "signed_in")
    list_filter = ("role", "is_active", origins.OriginFilter, "groups")
    search_fields = ("username", "email", "first_name", "last_name")
    search_help_text = "Name or email"
    ordering = ("username",)
    fieldsets = (
        (None, {"fields": ("username", "email", ("first_name", "last_name"))}),
        ("What they may do", {"fields": ("role", "groups", "is_active")}),
    )

    @admin.display(description="person", ordering="username")
    def person(self, user: User) -> SafeString:
        return foreign(user.username, sub=user.email)

    @admin.display(description="role", ordering="role")
    def role_chip(self, user: User) -> SafeString | str:
        return "—" if user.role == User.Role.NONE else chip(user.get_role_display(), "good")

    @admin.display(description="groups")
    def member_of(self, user: User) -> SafeString:
        return foreign(", ".join(group.name for group in user.groups.all()) or "—")

    @admin.display(description="known to")
    def comes_from(self, user: Any) -> SafeString:
        return origins.known_to(user.known_by)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[origins.PeopleList]:
        return origins.PeopleList

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows: QuerySet[User] = super().get_queryset(request).prefetch_related("groups")
        return rows

    @admin.display(description="account", ordering="is_active")
    def is_on(self, user: User) -> SafeString:
        return chip("Active", "good") if user.is_active else chip("Disabled", "bad")

    @admin.display(description="signed in", ordering="last_login")
    def signed_in(self, user: User) -> SafeString | str:
        return when(user.last_login)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:
            people.vouch(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        # A subject is never reassigned (RFC 9068 §5): people are disabled, not removed.
        return False

    def tools(self, request: HttpRequest, obj: User | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        found = []
        if invite.may_invite(request) and not invitations.why_not(obj):
            found.append(Tool("Invite", reverse("admin:authz_user_invite", args=[obj.pk]), ""))
        if request.user.has_perm("authz.view_auditevent"):
            found.append(Tool("Event history", f"{reverse('admin:story')}?subject={obj.subject}"))
        found += calls.link(request, subject=str(obj.subject))
        return found

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        if invitations.why_not(obj):
            return super().response_add(request, obj, post_url_continue)
        messages.success(request, f"“{obj.username}” is there. Without a password there is no way in yet.")
        return HttpResponseRedirect(reverse("admin:authz_user_invite", args=[obj.pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context, user = dict(extra_context or {}), self.get_object(request, object_id)
        if user is not None and self.has_view_permission(request, user):
            context |= page.context(request, user)
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/invite/", wrap(never_cache(invite.view)), name="authz_user_invite"),
            path("<int:pk>/second-factors/", wrap(never_cache(second_factors.view)), name="authz_user_factors"),
            *super().get_urls(),
        ]

    def cut_off_as(self, obj: User) -> tuple[str, str] | None:
        return "person", obj.username


@admin.register(Group, site=console)
class GroupAdmin(AsksAboutRules):
    place = Place("Operate", "People", "person", tab="Groups", order=1)
    introduction = "Groups are what rules speak of. Who is in one is said on the page of each person."
    list_display = ("name", "members", "givers")
    search_fields = ("name",)
    search_help_text = "Name"
    fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        rows: QuerySet[Group] = super().get_queryset(request).annotate(member_count=Count("user"))
        return rows

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "name" in form.changed_data:
            settle(request, [NameChange(kind=Named.GROUP, name=str(form.initial["name"]), to=obj.name)])

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        name = obj.name
        super().delete_model(request, obj)
        settle(request, [NameChange(kind=Named.GROUP, name=name)])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        names = sorted(queryset.values_list("name", flat=True))
        super().delete_queryset(request, queryset)
        settle(request, [NameChange(kind=Named.GROUP, name=name) for name in names])

    @admin.display(description="also given by")
    def givers(self, group: Any) -> SafeString:
        return foreign(", ".join(group.named_by) or "—")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[origins.GroupList]:
        return origins.GroupList

    @admin.display(description="members", ordering="member_count")
    def members(self, group: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', _people_of(group), group.member_count)

    def tools(self, request: HttpRequest, obj: Group | None) -> Sequence[Tool]:
        return () if obj is None else (Tool("Its people", _people_of(obj)),)


def _people_of(group: Group) -> str:
    return f"{reverse('admin:authz_user_changelist')}?groups__id__exact={group.pk}"
