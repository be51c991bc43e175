"""Who reaches what as a table of agents and MCP servers."""

import csv
import io

import pytest
from django.urls import reverse

from authz.models import AuditEvent, Client, Rule, User
from tests.console.conftest import Page
from tests.support.timing import quickest
from tests.support.world import NOTES, World

PATH = "/console/reach/matrix/"


def page(signed_in: Page, **asked: str) -> str:
    response = signed_in("auditor").get(PATH, asked)
    assert response.status_code == 200
    return str(response.content.decode())


def rows(signed_in: Page, **asked: str) -> list[str]:
    """The client_ids of the page's rows, in order."""
    return [row["client_id"] for row in signed_in("auditor").get(PATH, asked).context["rows"]]


def test_agents_and_their_people_stand_beside_the_servers(signed_in: Page) -> None:
    text = page(signed_in)
    assert "nightly-report" in text and ">itself</bdi>" in text
    assert 'title="now: mcp:read mcp:write"' in text


def test_a_cell_leads_to_its_rules(signed_in: Page) -> None:
    browser = signed_in("auditor")
    row = next(row for row in browser.get(PATH).context["rows"] if row["client_id"] == "nightly-report")
    cell = next(cell for cell in row["cells"] if cell["parts"])
    text = browser.get(cell["url"]).content.decode()
    rule = Rule.objects.get(name="Agents read notes")
    assert reverse("admin:authz_rule_change", args=[rule.pk]) in text
    assert "Rules between the two" in text


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"agent": "nightly"}, {"nightly-report"}),
        ({"agent": "NIGHTLY"}, {"nightly-report"}),
        ({"agent": "no such agent"}, set()),
    ],
)
def test_agents_are_found_by_their_name(signed_in: Page, asked: dict[str, str], expected: set[str]) -> None:
    assert set(rows(signed_in, **asked)) == expected


def test_only_approved_agents_stand_in_it(signed_in: Page) -> None:
    signed_in("auditor")
    Client.objects.filter(client_id="nightly-report").update(status="suspended")
    assert "nightly-report" not in rows(signed_in)


@pytest.mark.parametrize("order", ["most", NOTES])
def test_the_agents_that_reach_most_come_first(signed_in: Page, order: str) -> None:
    browser = signed_in("auditor")
    Rule.objects.exclude(name="Agents read notes").update(enabled=False)
    reached = {
        asked: [any(cell["parts"] for cell in row["cells"]) for row in browser.get(PATH, {"o": asked}).context["rows"]]
        for asked in ("", order)
    }
    assert reached[order] == sorted(reached[order], reverse=True) != reached[""]


def test_a_choice_of_people_leaves_the_others_out(signed_in: Page) -> None:
    text = page(signed_in, **{"for": "itself"})
    assert ">itself</bdi>" in text and "group " not in text.split("<tbody>")[1]


@pytest.mark.parametrize("asked", [{"o": "nonsense"}, {"for": "no such group"}, {"p": "x"}, {"c": "-1"}])
def test_what_it_does_not_offer_is_refused(signed_in: Page, asked: dict[str, str]) -> None:
    assert signed_in("auditor").get(PATH, asked).status_code == 400


def test_the_export_has_every_cell_with_its_scopes(signed_in: Page) -> None:
    response = signed_in("auditor").get(f"{PATH[:-1]}.csv")
    lines = list(csv.DictReader(io.StringIO(response.content.decode())))
    (line,) = [line for line in lines if line["client_id"] == "nightly-report"]
    assert (line["identifier"], line["for"], line["now"]) == (NOTES, "itself", "mcp:read")


def test_the_export_is_in_the_audit_with_its_filters(signed_in: Page) -> None:
    signed_in("auditor").get(f"{PATH[:-1]}.csv", {"agent": "nightly"})
    event = AuditEvent.objects.get(event="policy:reach:exported")
    assert event.subject == str(User.objects.get(username="dana").subject)
    assert event.detail == {"by": "dana", "form": "csv", "query": "agent=nightly"}


@pytest.mark.parametrize("role", ["developer", "none"])
def test_other_roles_export_nothing(signed_in: Page, role: str) -> None:
    assert signed_in(role).get(f"{PATH[:-1]}.csv").status_code in {302, 403}
    assert not AuditEvent.objects.filter(event="policy:reach:exported").exists()


def test_a_thousand_agents_are_paged_and_answer_in_time(signed_in: Page, gatehouse: World) -> None:
    browser = signed_in("auditor")
    model = Client.objects.get(client_id="nightly-report")
    made = []
    for number in range(1_000):
        model.pk, model.client_id, model.name = None, f"agent-{number:04}", f"Agent {number:04}"
        made.append(Client(**{field.attname: getattr(model, field.attname) for field in Client._meta.concrete_fields}))
    Client.objects.bulk_create(made)
    assert len(browser.get(PATH).context["rows"]) == 50
    assert quickest(lambda: browser.get(PATH), enough=1.0) < 1.0  # 0.3 seconds alone on a machine
    assert "agent-0999" in [row["client_id"] for row in browser.get(PATH, {"p": "21"}).context["rows"]]
