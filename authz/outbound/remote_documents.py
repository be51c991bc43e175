"""One cache for what other servers publish: clients' metadata documents, public keys, issuers' metadata.

`current` is the rule for all of them: serve what is fresh, ask the host once however many requests need it, serve what
is stale while the host is down, and leave a host alone after a failure. The bounds of each kind are values
(authz/protocol/document_lifetimes.py). `ProcessCache` keeps keys and issuers' metadata in the process; clients'
metadata documents are rows, fetched under a lease that all processes share (cimd/discovery.py).
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from authz.outbound import errands
from authz.outbound.errands import Pool
from authz.outbound.http import fetch
from authz.outbound.roles import Cause, OutboundError, Response, Role
from authz.protocol import http_caching
from authz.protocol.document_lifetimes import Bounds, Kept, Step, next_step, retry_after, schedule, serves

K = TypeVar("K", bound=Kept)
T = TypeVar("T")

MAX_ENTRIES = 1000
# Seconds after asking for something that the document lacked did not help.
DOUBT_INTERVAL = 30.0


def current(
    key: Hashable,
    find: Callable[[], K | None],
    renew: Callable[[K | None], K | None],
    *,
    bounds: Bounds,
    pool: Callable[[K | None], Pool],
    party: str,
    now: Callable[[], float],
    lacks: Callable[[K], bool] = lambda kept: False,
    may_ask_again: Callable[[K], bool] = lambda kept: True,
) -> K | None:
    """What is kept of the document once its host was asked, if that was due. It may be too old to serve.

    `find` reads what is kept, `renew` asks the host and keeps the answer. `lacks`: the request needs something else of
    the document; `may_ask_again`: its host may be asked for that. Raises `errands.BusyError` if nothing serves and no
    more requests may wait, and what `errands.result` and `renew` raise.
    """

    def step(kept: K | None) -> Step:
        wants_other = kept is not None and lacks(kept) and may_ask_again(kept)
        return next_step(kept, now(), bounds, wants_other=wants_other)

    def work() -> K | None:
        kept = find()
        return renew(kept) if step(kept) in {Step.ASK, Step.SERVE_AND_ASK} else kept

    kept = find()
    is_lacking = kept is not None and lacks(kept)
    match step(kept):
        case Step.SERVE_AND_ASK:
            errands.begin(pool(kept), key, work, party=party)
            return find()
        case Step.SERVE | Step.REFUSE if not (is_lacking and errands.is_under_way(key)):
            return kept
    try:
        return errands.result(pool(kept), key, work, party=party)
    except errands.BusyError:
        if kept is not None and not is_lacking and serves(kept, now(), bounds):
            return kept
        raise


class DocumentUnavailableError(Exception):
    """What is published cannot be used, or is published no more. Its text is the cause, for operators."""


class DocumentUnreachableError(DocumentUnavailableError):
    """The host does not answer: nothing is known to be wrong. It may be asked again after `retry_after` seconds."""

    def __init__(self, cause: str, retry_after: float) -> None:
        super().__init__(cause)
        self.retry_after = max(1, math.ceil(retry_after))


class DocumentOnItsWayError(DocumentUnavailableError):
    """Others wait for it already, so this request may not. Nothing is wrong, and a moment later it is there."""


class NotObtainedError(Exception):
    """The host gave no such document, and may be left alone for a while. `is_withdrawn`: what it gave before ends."""

    def __init__(self, cause: str, *, is_withdrawn: bool, is_down: bool = False) -> None:
        super().__init__(cause)
        self.is_withdrawn = is_withdrawn
        self.is_down = is_down


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A document as it arrived, or as a 304 confirmed it, and when it was asked for (seconds since the epoch)."""

    value: T
    headers: Mapping[str, str]
    url: str
    requested: float


@dataclass(slots=True)
class Entry(Generic[T]):
    """What a process keeps of one document. `fetched` and `failed` are seconds since the epoch, to be shown; the other
    times are of the clock that only moves forward.
    """

    answer: Answer[T] | None = None
    fresh_until: float = 0.0
    serves_until: float = 0.0
    retry_at: float = 0.0
    doubted: float = float("-inf")  # when its host was last asked for what the document lacked, in vain
    fetched: float = 0.0
    failures: int = 0
    failed: float = 0.0
    failure: str = ""
    is_down: bool = False  # the failure is that its host did not answer

    @property
    def holds(self) -> bool:
        return self.answer is not None

    def arrived(self, answer: Answer[T], bounds: Bounds) -> None:
        planned = schedule(
            answer.headers, requested=answer.requested, received=time.time(), bounds=bounds, now=time.monotonic()
        )
        self.answer, self.fetched = answer, time.time()
        self.fresh_until, self.serves_until, self.retry_at = planned.fresh_until, planned.serves_until, 0.0
        self.failures, self.failure, self.is_down = 0, "", False

    def did_not_arrive(self, error: NotObtainedError, bounds: Bounds) -> None:
        self.failures += 1
        self.failed, self.failure, self.is_down = time.time(), str(error), error.is_down
        self.retry_at = time.monotonic() + retry_after(self.failures, bounds)
        if error.is_withdrawn:
            self.answer = None


def ask(role: Role, url: str, held: Answer[T] | None, read: Callable[[bytes], T]) -> Answer[T]:
    """Ask for one document, with a condition if an answer of this URL is held. Raises `OutboundError`,
    `NotObtainedError`, and what `read` raises.
    """
    held = held if held is not None and held.url == url else None
    requested = time.time()
    response = fetch(role, url, headers=http_caching.validators(held.headers) if held is not None else None)
    if response.status != 304:
        return Answer(read(response.body), response.headers, url, requested)
    return _confirmed(held, response, requested)


def _confirmed(held: Answer[T] | None, response: Response, requested: float) -> Answer[T]:
    headers = http_caching.updated(held.headers, response.headers) if held is not None else None
    if held is None or headers is None:
        raise NotObtainedError("refused_304", is_withdrawn=True)
    return Answer(held.value, headers, held.url, requested)


@dataclass(slots=True)
class ProcessCache(Generic[T]):
    """Documents of one kind by their name (a URL), the least recently used of which are forgotten.

    `request` asks for the document of a name, with what is held of it. It raises `NotObtainedError`, or
    `OutboundError` where the host was not asked to the end. `after` is called after each time.
    """

    name: str
    pool: Pool
    bounds: Bounds
    request: Callable[[str, Answer[T] | None], Answer[T]]
    after: Callable[[str, Entry[T]], None] = lambda name, entry: None
    entries: OrderedDict[str, Entry[T]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, name: str, *, lacks: Callable[[T], bool] = lambda value: False) -> T:
        """The document; asked for anew if it lacks what the request needs.

        Raises `DocumentUnavailableError`, and RuntimeError if a transaction is open and the network is needed.
        """
        entry = self._entry(name)

        def is_lacking(entry: Entry[T]) -> bool:
            return entry.answer is not None and lacks(entry.answer.value)

        def renew(_: Entry[T] | None) -> Entry[T]:
            self._renew(name, entry)
            if is_lacking(entry):
                entry.doubted = time.monotonic()
            self.after(name, entry)
            return entry

        try:
            current(
                (self.name, name),
                find=lambda: entry,
                renew=renew,
                bounds=self.bounds,
                pool=lambda _: self.pool,
                party=urlsplit(name).netloc,
                now=time.monotonic,
                lacks=is_lacking,
                may_ask_again=lambda entry: time.monotonic() >= entry.doubted + DOUBT_INTERVAL,
            )
        except errands.BusyError:
            raise DocumentOnItsWayError(Cause.BUSY.value) from None
        return self._served(entry)

    def _served(self, entry: Entry[T]) -> T:
        if entry.answer is not None and serves(entry, time.monotonic(), self.bounds):
            return entry.answer.value
        if not entry.failure:
            raise DocumentOnItsWayError("being_fetched")
        if entry.is_down:
            raise DocumentUnreachableError(entry.failure, entry.retry_at - time.monotonic())
        raise DocumentUnavailableError(entry.failure)

    def _renew(self, name: str, entry: Entry[T]) -> None:
        try:
            entry.arrived(self.request(name, entry.answer), self.bounds)
        except NotObtainedError as error:
            entry.did_not_arrive(error, self.bounds)
        except OutboundError:
            return  # its host was not asked to the end, so nothing failed

    def forget(self, name: str) -> None:
        with self._lock:
            self.entries.pop(name, None)

    def _entry(self, name: str) -> Entry[T]:
        with self._lock:
            entry = self.entries.setdefault(name, Entry())
            self.entries.move_to_end(name)
            while len(self.entries) > MAX_ENTRIES:
                self.entries.popitem(last=False)
            return entry
