"""The OpenAPI description of a view, from the same `requires`, `query`, `takes` and `answers` that the view uses."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from authz.api.framework.principal import scope_for
from authz.api.framework.shapes import ANY, PROBLEM, Parameter


class Described(AutoSchema):
    def get_operation_id(self) -> str:
        words = [part for part in self.path.removeprefix("/api/v1/").split("/") if not part.startswith("{")]
        item = "_item" if self.path.endswith("}") else ""
        return f"{self.method.lower()}_{'_'.join(words)}{item}"

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        said = str(super().get_description() or "")
        permission = self._of("requires")
        return f"{said}\n\nPermission: `{permission}`." if permission else said

    def get_auth(self) -> list[dict[str, Any]]:
        permission = self._of("requires")
        return [{"oauth2": [scope_for(permission)]}, {"session": []}] if permission else []

    def get_override_parameters(self) -> list[Any]:
        named = self._of("query") or {}
        return [_described(name, given) for name, given in named.items()]

    def get_request_serializer(self) -> Any:
        takes = self._of("takes")
        if takes is None or not isinstance(takes, dict):
            return takes
        return {parser.media_type: takes for parser in self.view.parser_classes}

    def get_response_serializers(self) -> Any:
        statuses = self._of("statuses") or ((204,) if self.method == "DELETE" else (200,))
        answer = self._of("answers") or ANY
        described: dict[Any, Any] = {str(status): None if status == 204 else answer for status in statuses}
        return described | {("default", "application/problem+json"): PROBLEM}

    def _of(self, declared: str) -> Any:
        return (getattr(self.view, declared) or {}).get(self.method)


def _described(name: str, given: str | Parameter) -> OpenApiParameter:
    said = Parameter(given) if isinstance(given, str) else given
    return OpenApiParameter(name, dict(said.shape), required=said.required, description=said.text)
