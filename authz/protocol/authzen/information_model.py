"""Subject, action, resource and context of an AuthZEN request, and its three kinds of requests.

> If a required attribute in the information model is omitted, the server MUST return a "Bad Request" error […]
> receivers MUST ignore unknown fields present in request or response bodies (Authorization API 1.0, JSON Serialization)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_EVALUATIONS = 100
LONGEST_ID, LONGEST_NAME = 16 * 1024, 255
MAX_PAGE = 100
_NOTHING: dict[str, Any] = {}


class MalformedError(ValueError):
    """What is wrong with a request: the member, by its path, and what it has to be."""

    def __init__(self, member: str, wanted: str) -> None:
        super().__init__(f"{member} {wanted}")
        self.member, self.wanted = member, wanted


class Semantic(StrEnum):
    """When a list of evaluations ends early (Authorization API 1.0, Evaluations semantics)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_at(self, *, decision: bool) -> bool:
        """Whether this decision is the last one that is made."""
        return self is (Semantic.PERMIT_ON_FIRST_PERMIT if decision else Semantic.DENY_ON_FIRST_DENY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A subject or a resource. `id` is "" in a search for it. A token is nothing to print, so it is not in `repr`."""

    type: str
    id: str = field(repr=False)
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is to be done. `name` is "" in a search for actions."""

    name: str
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One question: may this subject do this to this resource, in this context?"""

    subject: Entity
    action: Action
    resource: Entity
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Several questions in their order. One that is malformed has its problem in its place."""

    items: tuple["Evaluation | MalformedError", ...]
    semantic: Semantic


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search for subjects, resources or actions: the question without what is searched; `limit` results a page."""

    question: Evaluation
    token: str
    limit: int


def evaluation(document: Mapping[str, Any]) -> Evaluation:
    """The question of an Access Evaluation request. Raises `MalformedError`."""
    return Evaluation(
        subject=_entity(document, "subject"),
        action=_action(document),
        resource=_entity(document, "resource"),
        context=_object(document, "context"),
    )


def evaluations(document: Mapping[str, Any]) -> Batch | Evaluation:
    """The questions of an Access Evaluations request. Raises `MalformedError` for what concerns the whole of it.

    > If an evaluations array is NOT present or is empty, the Access Evaluations Request behaves in a
    > backwards-compatible manner with the (single) Access Evaluation API Request
    """
    items = document.get("evaluations", [])
    if not isinstance(items, list) or len(items) > MAX_EVALUATIONS:
        raise MalformedError("evaluations", f"has to be an array of at most {MAX_EVALUATIONS} objects")
    semantic = _semantic(_object(document, "options"))
    if not items:
        return evaluation(document)
    defaults = {name: document[name] for name in ("subject", "action", "resource", "context") if name in document}
    return Batch(items=tuple(_item(item, defaults) for item in items), semantic=semantic)


def search(document: Mapping[str, Any], wanted: str) -> Search:
    """A search for the `subject`, the `resource` or the `action`. Raises `MalformedError`.

    > the Subject id SHOULD be omitted, and if present, MUST be ignored
    """
    page = _object(document, "page")
    return Search(
        question=Evaluation(
            subject=_entity(document, "subject", has_id=wanted != "subject"),
            action=Action(name="") if wanted == "action" else _action(document),
            resource=_entity(document, "resource", has_id=wanted != "resource"),
            context=_object(document, "context"),
        ),
        token=_text(page, "token", "page.", default=""),
        limit=_limit(page),
    )


def _item(item: Any, defaults: Mapping[str, Any]) -> Evaluation | MalformedError:
    """> Decisions default to closed (i.e. false), but the context field can include errors"""
    try:
        if not isinstance(item, dict):
            raise MalformedError("evaluations", "has to hold objects")
        # Each member replaces the default as a whole.
        return evaluation({**defaults, **item})
    except MalformedError as problem:
        return problem


def _semantic(options: Mapping[str, Any]) -> Semantic:
    try:
        return Semantic(options.get("evaluations_semantic", Semantic.EXECUTE_ALL))
    except ValueError:
        raise MalformedError("options.evaluations_semantic", f"has to be one of {', '.join(Semantic)}") from None


def _entity(document: Mapping[str, Any], name: str, *, has_id: bool = True) -> Entity:
    given = _required_object(document, name)
    return Entity(
        type=_text(given, "type", f"{name}."),
        id=_text(given, "id", f"{name}.", longest=LONGEST_ID) if has_id else "",
        properties=_object(given, "properties", f"{name}."),
    )


def _action(document: Mapping[str, Any]) -> Action:
    given = _required_object(document, "action")
    return Action(name=_text(given, "name", "action."), properties=_object(given, "properties", "action."))


def _required_object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if name not in document:
        raise MalformedError(name, "is missing")
    return _object(document, name)


def _object(document: Mapping[str, Any], name: str, place: str = "") -> Mapping[str, Any]:
    given = document.get(name, _NOTHING)
    if not isinstance(given, dict):
        raise MalformedError(f"{place}{name}", "has to be an object")
    return given


def _text(
    document: Mapping[str, Any], name: str, place: str, *, longest: int = LONGEST_NAME, default: str | None = None
) -> str:
    given = document.get(name, default)
    if given is None:
        raise MalformedError(f"{place}{name}", "is missing")
    if not isinstance(given, str) or not (given or default == "") or len(given) > longest:
        raise MalformedError(f"{place}{name}", f"has to be a string of 1 to {longest} characters")
    return given


def _limit(page: Mapping[str, Any]) -> int:
    given = page.get("limit", MAX_PAGE)
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise MalformedError("page.limit", "has to be a non-negative integer")
    return min(given, MAX_PAGE)
