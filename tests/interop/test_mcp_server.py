"""This server's own MCP server with the official clients: an agent is refused somewhere, asks here, a human approves in
the browser, and the same agent goes on. No one types a URL.
"""

import re
import sqlite3
from pathlib import Path

from tests.interop.approver import approve_in_a_browser
from tests.interop.configuration import REDIRECT_URI
from tests.interop.conftest import run
from tests.interop.house import APPROVED, PASSWORD, WHY, House, Olga, running


def test_refused_asks_waits_and_goes_on(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot", goes_on=True)) as agent:
        refused = agent.until("refused")
        explained = agent.until("explained")["explained"]["servers"][0]
        assert explained["needs_approval"] == ["mcp:write"]
        assert explained["who_decides"] == "members of keepers"
        task = agent.until("task", status="working")
        approve_in_a_browser(house, task["message"])
        asked = agent.until("asked")
        assert agent.until("tool")["tool"] == {"written": True}
    assert 'error="insufficient_scope"' in refused["refused"]
    assert (asked["asked"]["outcome"], asked["asked"]["granted"]) == ("granted", ["mcp:write"])
    assert asked["is_error"] is False


def test_a_denial_reaches_the_agent(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-denied")) as agent:
        task = agent.until("task", status="working")
        Olga(house).decide(task["message"], decision="deny", comment="Not before Friday", lasts="1h")
        asked = agent.until("asked")
    assert asked["is_error"] is True
    assert "Not before Friday" in asked["text"]


def test_the_agent_cancels(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-cancels", cancels=True)) as agent:
        agent.until("task", status="working")
        agent.until("task", status="cancelled")


def test_what_no_one_answers_fails(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-lapses")) as agent:
        task = agent.until("task", status="working")
        with sqlite3.connect(house.directory / "gatehouse.sqlite3", timeout=20) as database:
            moved = database.execute(
                "UPDATE authz_mcptask SET expires = '2026-01-01 00:00:00' WHERE id = ?",
                [task["task"].replace("-", "")],
            )
            assert moved.rowcount == 1
        database.close()
        assert agent.until("task", status="failed")["task"] == task["task"]


def test_a_missing_reason_is_asked_for_and_a_restart_loses_nothing(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-elicits", elicits=True)) as agent:
        first = agent.until("task", status="input_required")
        agent.until("task", status="working")
    # The agent is gone, and the server starts anew.
    house.gatehouse.__exit__()
    house.gatehouse.__enter__()
    again = house.ask("robot-elicits", task=first["task"], goes_on=True)
    with running(mcp2, "python_mcp2/asking_agent.py", again) as agent:
        task = agent.until("task", status="working")
        olga = Olga(house)
        page = olga.session.get(re.sub(r".*Its page: ", "", task["message"]), timeout=30)
        assert WHY in page.text, "the reason that was elicited is on the page"
        olga.decide(task["message"], **APPROVED)
        assert agent.until("tool")["tool"] == {"written": True}


def test_the_typescript_client_follows_a_task(house: House, node: Path) -> None:
    with running(node, "javascript/asking_agent.mjs", house.ask("robot-typescript")) as agent:
        found = agent.until("tools")
        assert found["era"] == "modern"
        assert "request_access" in found["tools"]
        assert agent.until("explained")["explained"]["servers"][0]["outcome"] == "needs_approval"
        task = agent.until("task", status="working")
        Olga(house).decide(task["message"], **APPROVED)
        asked = agent.until("asked")["asked"]
    assert (asked["outcome"], asked["granted"]) == ("granted", ["mcp:write"])


def test_the_typescript_client_listens_instead_of_polling(house: House, node: Path) -> None:
    with running(node, "javascript/listening_agent.mjs", house.ask("robot-listens")) as agent:
        opened = agent.until("listening")
        Olga(house).decide(opened["message"], **APPROVED)
        assert agent.until("told", status="completed")["told"] == "notifications/tasks"
        assert agent.until("closed")["closed"] == "graceful"


def test_a_client_of_an_earlier_revision_asks_how_it_stands(house: House, mcp1: Path) -> None:
    with running(mcp1, "python_mcp1/asking_agent.py", house.ask("robot-earlier")) as agent:
        assert agent.until("version")["version"] == "2025-11-25"
        asked = agent.until("asked")
        assert asked["asked"]["outcome"] == "waiting"
        Olga(house).decide(asked["message"], **APPROVED)
        decided = agent.until("decided")["decided"]
    assert (decided["outcome"], decided["granted"]) == ("granted", ["mcp:write"])


def test_a_person_is_asked_why_and_shown_the_page(house: House, mcp2: Path) -> None:
    """Without tasks: multi round-trip requests. No rule lets the desk write, so the server's owners are asked."""
    ask = house.ask("desk", username="bob", password=PASSWORD, redirect_uri=REDIRECT_URI)
    answer = run(mcp2, "python_mcp2/asking_person.py", ask)
    form, page = answer["elicited"]
    assert form["mode"] == "form"
    assert page["mode"] == "url"
    assert page["url"] == answer["asked"]["address"]
    assert answer["asked"]["outcome"] == "waiting"
    assert answer["asked"]["who_decides"] == "the server’s owner or an administrator"
    with sqlite3.connect(house.directory / "gatehouse.sqlite3", timeout=20) as database:
        (found,) = database.execute("SELECT reason FROM authz_accessrequest WHERE needs_rule").fetchall()
    database.close()
    assert found == (WHY,)
