"""Of many requests that need the same, one reads it (authz/database/sharing.py)."""

import asyncio
from collections.abc import Callable

import pytest
from django.db import OperationalError

from authz.database import greenlets
from authz.database.concurrency import Locked
from authz.database.sharing import OneAtATime, SharedRead
from tests.database.test_greenlets import here, in_time


def together(*works: Callable[[], object]) -> list[object]:
    async def all_of_them() -> list[object]:
        return await asyncio.gather(*(greenlets.run(work) for work in works), return_exceptions=True)

    return asyncio.run(all_of_them())


class Reading:
    """Something that takes a moment to read. `moments` are when each reading began, in steps of the test."""

    def __init__(self) -> None:
        self.begun = 0
        self.fails = False

    def __call__(self) -> None:
        self.begun += 1
        here().pause(0.0)
        if self.fails:
            self.fails = False
            raise OSError


class TestASharedRead:
    def test_those_that_ask_while_one_reads_share_the_next(self) -> None:
        shared, reading = SharedRead(), Reading()
        together(*[lambda: shared.read(reading)] * 10)
        assert reading.begun == 2

    def test_no_request_uses_a_reading_that_began_before_it_asked(self) -> None:
        """Attack: an old rule decides, because it was read before the change and the request came after it."""
        shared, seen, value = SharedRead(), [], ["old"]
        kept = list[str]()

        def read() -> None:
            found = value[0]
            here().pause(0.0)
            kept[:] = [found]

        def late() -> None:
            value[0] = "new"
            shared.read(read)
            seen.append(kept[0])

        together(lambda: shared.read(read), late)
        assert seen == ["new"]

    def test_one_that_fails_fails_alone(self) -> None:
        shared, reading = SharedRead(), Reading()
        reading.fails = True
        answers = together(*[lambda: shared.read(reading)] * 5)
        assert [type(answer) for answer in answers] == [OSError] + [type(None)] * 4
        assert reading.begun == 2

    @pytest.mark.parametrize("failure", [OperationalError("the database does not answer"), Locked()], ids=repr)
    def test_where_the_database_fails_it_fails_for_all_that_waited(self, failure: BaseException) -> None:
        """Attack: a database that hangs for two seconds keeps the last of twenty requests waiting for forty."""
        shared, begun = SharedRead(), []

        def read() -> None:
            begun.append("reading")
            here().pause(0.0)
            raise failure

        answers = together(*[lambda: shared.read(read)] * 10)
        assert [type(answer) for answer in answers] == [type(failure)] * 10
        assert len(begun) == 1
        together(lambda: shared.read(lambda: begun.append("read again")))
        assert begun[-1] == "read again"

    def test_in_a_thread_each_reads(self) -> None:
        shared, begun = SharedRead(), []
        for _ in range(3):
            shared.read(lambda: begun.append(1))
        assert len(begun) == 3


class TestOneAtATime:
    def test_those_that_come_after_it_find_it_made(self) -> None:
        turns, made = OneAtATime(), list[str]()

        def make() -> None:
            with turns.turn("rules"):
                if not made:
                    here().pause(0.0)
                    made.append("made")

        together(*[make] * 10)
        assert made == ["made"]

    def test_other_things_are_made_beside_it(self) -> None:
        turns, order = OneAtATime(), list[str]()

        def make(name: str, pauses: int) -> Callable[[], None]:
            def work() -> None:
                with turns.turn(name):
                    for _ in range(pauses):
                        here().pause(0.0)
                    order.append(name)

            return work

        together(make("rules", 3), make("clients", 1))
        assert order == ["clients", "rules"]

    def test_where_the_first_fails_the_next_makes_it(self) -> None:
        turns, tries = OneAtATime(), list[str]()

        def make() -> None:
            with turns.turn("rules"):
                tries.append("try")
                here().pause(0.0)
                if len(tries) == 1:
                    raise OSError

        assert [type(answer) for answer in together(*[make] * 2)] == [OSError, type(None)]

    @pytest.mark.parametrize("failure", [OperationalError("database is locked"), Locked()], ids=repr)
    def test_where_the_database_fails_it_fails_for_all_that_waited(self, failure: BaseException) -> None:
        turns, tries = OneAtATime(), list[str]()

        def make() -> None:
            with turns.turn("rules"):
                tries.append("try")
                here().pause(0.0)
                raise failure

        answers = together(*[make] * 10)
        assert [type(answer) for answer in answers] == [type(failure)] * 10
        assert tries == ["try"]

    def test_a_client_that_goes_waits_no_longer(self) -> None:
        turns = OneAtATime()

        def hold() -> None:
            with turns.turn("rules"):
                here().pause(in_time())

        def leave() -> None:
            with turns.turn("rules"):
                raise AssertionError("it was not its turn")

        async def both() -> None:
            gone = asyncio.Event()
            holding = asyncio.ensure_future(greenlets.run(hold))
            leaving = asyncio.ensure_future(greenlets.run(leave, gone.wait))
            await asyncio.sleep(0.2)
            gone.set()
            with pytest.raises(greenlets.ClientGoneError):
                await asyncio.wait_for(leaving, 5)
            holding.cancel()
            await asyncio.wait({holding})

        asyncio.run(both())
