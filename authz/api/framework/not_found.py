"""Every address under `/api/` that is none of the API's is answered as a problem, not as a page."""

from typing import Any, NoReturn

from rest_framework.request import Request

from authz.api.framework.problems import Problem
from authz.api.framework.view import ApiView


class NotFound(ApiView):
    requires = None
    authentication_classes = ()
    schema = None  # type: ignore[assignment]  # drf-spectacular leaves it out

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        self.check_throttles(request)
        raise Problem(404, "There is no such address; /api/v1/schema lists those that there are.")
