"""A request that is answered for longer than one takes: each step is one of its own, by the caller as it is now."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from authz import audit
from authz.database import concurrency, configuration_cache
from authz.endpoints.machine import now
from authz.mcp_server.asked import Asked
from authz.mcp_server.caller import Caller, concerns, renewed


@dataclass(frozen=True, slots=True)
class Held:
    """`origin`: of the request."""

    asked: Asked
    origin: audit.Origin

    @contextmanager
    def step(self) -> Iterator[Caller]:
        """Work as a request of this caller. Raises `Refused` if its access has ended."""
        with self.working():
            yield renewed(self.asked.caller, now())

    @contextmanager
    def working(self) -> Iterator[None]:
        where, caller = self.origin, self.asked.caller
        with concurrency.in_thread(), audit.origin(where.address, where.request_id, where.endpoint):
            audit.proven(caller.client.client_id)
            concerns(caller)
            configuration_cache.begin()
            yield
