"""`/configuration/{section}`: the configuration file item by item, with the serializers and writers of `apply`."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.approval_permission import not_ones_own
from authz.api.framework import etags
from authz.api.framework.paging import page
from authz.api.framework.problems import Problem
from authz.api.framework.shapes import PAGED, Parameter, Query, one_of, paged
from authz.api.framework.view import ApiView, MergePatch, StrictJson, principal_of
from authz.configuration import Change, Section, revise
from authz.configuration.name_changes import NAMED_BY_RULES
from authz.configuration.sections import items, presented
from authz.models import Client
from authz.sign_in.roles import CONFIGURE, visible

RULES: Query = {
    "rules": Parameter(
        "change: rules that name what goes change along, in the same transaction. leave: they are told.",
        one_of(["change", "leave"]),
    )
}


class SectionView(ApiView):
    section: ClassVar[Section]

    def rows(self, request: Request) -> Any:
        rows = self.section.rows()
        return visible(principal_of(request).person, rows) if rows.model is Client else rows

    def answer(self, item: Mapping[str, Any], status: int = 200, more: Mapping[str, Any] | None = None) -> Response:
        annotations = getattr(self.section, "annotations", None)
        beside: dict[str, Any] = {**(annotations(item) if annotations else {}), **(more or {})}
        return Response({**presented(self.section, item), **beside}, status=status, headers={"ETag": etags.etag(item)})


class Items(SectionView):
    """A section's items, in the file's form."""

    query = {"GET": PAGED}

    def get(self, request: Request) -> Response:
        given = self.given
        return page(given, self.rows(request), lambda row: presented(self.section, self.section.as_item(row)))


class Item(SectionView):
    """One item. Its key is percent-encoded in the path; a section that is one mapping has none."""

    parser_classes = (StrictJson, MergePatch)

    def get(self, request: Request, key: str = "") -> Response:
        single = getattr(self.section, "SINGLE", False)
        row = (self.rows(request) if single else self.rows(request).filter(**{self.section.LOOKUP: key})).first()
        if row is None:
            raise Http404
        return self.answer(self.section.as_item(row))

    def put(self, request: Request, key: str = "") -> Response:
        """Replace the item: a missing member gets its default. Only missing secrets keep their values."""
        given = self._given(request)
        # The path names the item; the body may name it, too.
        named = given if self._is_single else {self.section.LOOKUP: key, **given}
        return self._revised(request, key, lambda _: named)

    def patch(self, request: Request, key: str = "") -> Response:
        """Change these members (RFC 7396); null restores a member's default."""
        given = self._given(request)

        def patched(item: dict[str, Any] | None) -> Mapping[str, Any]:
            if item is None:
                raise Http404
            merged: dict[str, Any] = merge(presented(self.section, item), given)
            return merged

        return self._revised(request, key, patched)

    def delete(self, request: Request, key: str = "") -> Response:

        def removed(item: dict[str, Any] | None) -> None:
            if item is None:
                raise Http404

        return self._revised(request, key, removed)

    @property
    def _is_single(self) -> bool:
        return getattr(self.section, "SINGLE", False)

    def _given(self, request: Request) -> dict[str, Any]:
        # A PATCH without a body changes nothing; a PUT without one would give every member its default.
        is_missing = request.method == "PUT" and request.META.get("CONTENT_LENGTH") in {None, "", "0"}
        if is_missing or not isinstance(request.data, dict):
            raise Problem(400, "The body must be a JSON object.")
        # Additional members of an answer, such as warnings, may be sent back.
        ours = {*getattr(self.section, "ANNOTATIONS", ()), *({"rules"} if self._is_named_by_rules else ())}
        return {name: value for name, value in request.data.items() if name not in ours}

    def _revised(self, request: Request, key: str, revision: Any) -> Response:
        principal = principal_of(request)
        was_there: list[bool] = []

        def checked(item: dict[str, Any] | None) -> Mapping[str, Any] | None:
            etags.check(request, item)
            was_there.append(item is not None)
            found: Mapping[str, Any] | None = revision(item)
            return found

        key = self.section.LOOKUP if self._is_single else key
        asked = self._asked_rules()
        changes = revise(
            self.section, key, checked, by=principal.by, permit=not_ones_own(request), changes_rules=asked == "change"
        )
        after = items(self.section, key).get(key)
        beside = {"rules": _rules(changes)} if asked else {}
        if after is None:
            return Response(beside) if asked else Response(status=204)
        return self.answer(after, 200 if was_there[0] else 201, beside)

    @property
    def _is_named_by_rules(self) -> bool:
        return self.section.KEY in NAMED_BY_RULES

    def _asked_rules(self) -> str:
        """Whether rules change along that name what goes: `change`, `leave`, or "" where it is not asked. Raises
        `Problem`."""
        asked = self.given.get("rules", "")
        if asked not in {"", "change", "leave"}:
            raise Problem(400, "rules is change or leave.")
        return asked


def _rules(changes: Iterable[Change]) -> dict[str, list[str]]:
    """The names of the rules that changed along, and of those that go on naming what went."""
    return {
        "changed": [change.key for change in changes if change.section == "rules"],
        "left": list(dict.fromkeys(name for change in changes for name in change.rules)),
    }


def merge(target: Any, patch: Any) -> Any:
    """A JSON merge patch applied (RFC 7396 §2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def views_of(section: Section) -> tuple[type[Items], type[Item]]:
    """The views of one section. Reading needs the model's permission, changing that of the configuration."""
    meta = section.rows().model._meta
    reading = f"{meta.app_label}.view_{meta.model_name}"
    name = "".join(part.capitalize() for part in section.KEY.split("_"))
    several = type(
        f"{name}Items",
        (Items,),
        {
            "section": section,
            "requires": {"GET": reading},
            "answers": {"GET": paged({"type": "object", "description": f"An item of `{section.KEY}`."})},
            "__doc__": Items.__doc__,
        },
    )
    whole, part = section.SERIALIZER, section.SERIALIZER(partial=True)
    one = type(
        f"{name}Item",
        (Item,),
        {
            "section": section,
            "requires": {"GET": reading, "PUT": CONFIGURE, "PATCH": CONFIGURE, "DELETE": CONFIGURE},
            "takes": {"PUT": whole, "PATCH": part},
            "query": dict.fromkeys(("PUT", "PATCH", "DELETE"), RULES) if section.KEY in NAMED_BY_RULES else {},
            "answers": {"GET": whole, "PUT": whole, "PATCH": whole},
            "statuses": {"PUT": (200, 201)},
            "__doc__": Item.__doc__,
        },
    )
    return several, one
