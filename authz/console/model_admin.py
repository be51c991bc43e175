"""What every list and form of the console shares: bounded lists, tools, and an audit record for each change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms import ModelForm, Textarea
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from authz import audit
from authz.console.lists import DeclaredList, filter_names, readable_keys
from authz.console.navigation import Place
from authz.console.refusing import refuse
from authz.console.widgets.fields import JsonObjectField, KeyField, ShownField
from authz.console.widgets.paging import CappedPaginator
from authz.console.widgets.toolbar import Tool
from authz.models import User
from authz.sign_in.roles import SEE_CUT_OFFS, may_cut_off

# Columns with text that people chose.
NAMES = frozenset({"name", "first_name", "last_name"})
# Rows of one action.
MOST_SELECTED = 500

# Generic for the type checker only.
if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
    Form = ModelForm[Any]
else:
    Base = admin.ModelAdmin
    Form = ModelForm


def person(request: HttpRequest) -> User:
    """The signed-in person of a request. The console's frame has refused all others. Raises `PermissionDenied`."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def end_access_tools(request: HttpRequest, target: tuple[str, str] | None) -> tuple[Tool, ...]:
    """The button that ends an object's access, for people who may at least see the preview."""
    if target is None or not request.user.has_perm(SEE_CUT_OFFS):
        return ()
    kind, identifier = target
    address = f"{reverse('admin:switch', args=[kind])}?{urlencode({'id': identifier})}"
    if may_cut_off(person(request), kind, identifier):
        return (Tool("End access", address, "danger"),)
    return (Tool("What would end access end?", address),)


class ConsoleAdmin(Base):
    """A model's pages. `introduction` and `empty_text` are sentences for the list."""

    # Where its list stands in the navigation; None for a model that people reach by other pages.
    place: Place | None = None
    introduction = ""
    empty_text = ""
    # Look-ups that links of other pages use. Together with the filters they are all that the list may be asked.
    lookups: tuple[str, ...] = ()
    show_facets = ShowFacets.NEVER
    # Django would ask the model for the address of its page; no model has one.
    view_on_site = False
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    paginator = CappedPaginator
    preserve_filters = True
    actions_on_top = True
    save_as_continue = False
    formfield_overrides: ClassVar[Mapping[Any, Any]] = {
        models.JSONField: {
            "form_class": JsonObjectField,
            "widget": Textarea(attrs={"class": "code", "rows": 6, "spellcheck": "false"}),
        },
    }

    def tools(self, request: HttpRequest, obj: Any | None) -> Sequence[Tool]:
        """Buttons above an object's page, or above the list where `obj` is None."""
        return ()

    def cut_off_as(self, obj: Any) -> tuple[str, str] | None:
        """Kind and identifier for ending an object's access (authz/authorizations/cut_off.py); None if it has none."""
        return None

    def has_history(self, obj: Any) -> bool:
        """Whether people changed it in the console."""
        told = LogEntry.objects.filter(content_type=get_content_type_for_model(obj), object_id=str(obj.pk))
        return bool(told.exists())

    def get_action_choices(self, request: HttpRequest, default_choices: Any = None) -> list[tuple[str, str]]:
        return super().get_action_choices(request, [("", "With those selected …")])

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return DeclaredList

    def declared(self, request: HttpRequest) -> frozenset[str]:
        """The names of everything that the list may be asked."""
        if self._declared is None:
            self._declared = frozenset({*filter_names(self.model, self, request), *self.lookups})
        return self._declared

    _declared: frozenset[str] | None = None

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return request is not None and lookup in self.declared(request)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        return bool(to_field == self.model._meta.pk.name)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # An empty field name means the primary key.
        return super().get_object(request, object_id, from_field or None)

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if len(selected) > MOST_SELECTED or not readable_keys(self.model, selected):
            refuse(request, ACTION_CHECKBOX_NAME)
        return super().response_action(request, queryset)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"tools": [*self.tools(request, None), *self._add_tool(request)], **(extra_context or {})}
        return super().changelist_view(request, context)

    def _add_tool(self, request: HttpRequest) -> tuple[Tool, ...]:
        if not self.has_add_permission(request):
            return ()
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        filters = self.get_preserved_filters(request)
        url = add_preserved_filters({"preserved_filters": filters, "opts": self.opts}, reverse(f"admin:{name}_add"))
        return (Tool(f"Add {self.opts.verbose_name}", url, ""),)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in NAMES and not db_field.choices:
            kwargs["form_class"] = KeyField if db_field.unique else ShownField
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        # One form at a time: no pop-up that makes another object beside it.
        for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, name):
                setattr(field.widget, name, False)
        return field

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        obj = kwargs.get("obj")
        context["tools"] = self._tools_of(request, obj) if obj else ()
        # Objects of the console are made one at a time.
        context["show_save_and_add_another"] = False
        context["adminform"].form.label_suffix = ""
        return super().render_change_form(request, context, *args, **kwargs)

    def _tools_of(self, request: HttpRequest, obj: Any) -> list[Tool]:
        found = [*self.tools(request, obj), *end_access_tools(request, self.cut_off_as(obj))]
        if self.has_history(obj):
            name = f"{self.opts.app_label}_{self.opts.model_name}"
            found.append(Tool("History", reverse(f"admin:{name}_history", args=[obj.pk]), in_menu=len(found) > 1))
        return found

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(request, audit.Event.CONFIGURATION_CREATED, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(request, audit.Event.CONFIGURATION_CHANGED, obj, changed=changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            record(request, audit.Event.CONFIGURATION_REMOVED, obj)
        return super().log_deletions(request, queryset)


def record(request: HttpRequest, event: audit.Event, obj: models.Model, **detail: object) -> None:
    """Record a change of configuration: who, what, and the names of the changed fields. Their values may be secret."""
    audit.record(
        event,
        subject=str(person(request).subject),
        detail={
            "kind": obj._meta.model_name,
            "id": str(obj.pk),
            "name": str(obj)[:200],
            "by": request.user.get_username(),
            **detail,
        },
    )


def changed_fields(message: Any) -> list[str]:
    """The names of changed fields in Django's structured change message."""
    if not isinstance(message, list):
        return []
    names: list[str] = []
    for part in message:
        for verb, content in part.items():
            fields = content.get("fields") or [f"{verb} {content.get('name', '')} {content.get('object', '')}".strip()]
            names.extend(str(field) for field in fields)
    return names


class ReadOnlyAdmin(ConsoleAdmin):
    """Rows that the server writes and people only read."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def has_history(self, obj: Any) -> bool:
        return False
