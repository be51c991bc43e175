"""Tasks that wait for a person, as sentences with a button: the top of the home page.

Each page that knows of such things says so itself: a `ConsoleAdmin` with `tasks(request, now)`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """A task, and the list behind it."""

    text: str
    url: str
    button: str
    icon: str = "warning"


# Counting stops here: the page says `100+`.
MAX_TASKS = 100


def many(count: int, one: str, more: str) -> str:
    """`1 agent waits`, `7 agents wait`, `100+ agents wait`; `more` says where the number goes."""
    return one if count == 1 else more.format(f"{count}+" if count >= MAX_TASKS else str(count))
