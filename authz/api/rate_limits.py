"""`/rate_limits`: the limits of this server, which are settings (docs/settings.md)."""

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.shapes import TEXT, a_list, mapping
from authz.api.framework.view import READS, WRITES, ApiView
from authz.conf import conf


class RateLimits(ApiView):
    requires = {"GET": "authz.view_configuration"}
    answers = {"GET": mapping(items=a_list(mapping(limit=TEXT, rate=TEXT)))}

    def get(self, request: Request) -> Response:
        """Each limit with its rate, such as `10/5 minute` or `none`. `api:read` and `api:write` are this API's own, for
        each caller and process.
        """
        limits = {**conf.rate_limits, "api:read": f"{READS}inute", "api:write": f"{WRITES}inute"}
        return Response({"items": [{"limit": name, "rate": rate} for name, rate in sorted(limits.items())]})
