"""What is over is removed by a scheduled task; a request of a stranger removes nothing that is merely old."""

import pytest

from authz.approvals.agent_lifecycle import Terms
from authz.models import Client
from cimd import admission, housekeeping
from cimd.models import Document, FetchWindow
from tests.cimd.discovered import find, refusal
from tests.support import world
from tests.support.document_host import DocumentHost

pytestmark = pytest.mark.django_db


def urls() -> set[str]:
    return set(Document.objects.values_list("url", flat=True))


def test_windows_of_the_budget_go_when_their_minute_is_over(gatehouse: world.World, documents: DocumentHost) -> None:
    FetchWindow.objects.create(scope="new", minute=1)
    find(documents.document())
    assert FetchWindow.objects.filter(minute=1).exists(), "a stranger's request removed it"
    housekeeping.run()
    assert {window.count for window in FetchWindow.objects.all()} == {1}


@pytest.mark.parametrize("changes", [{}, {"failed": 1, "lease_until": 10**10}])
def test_a_url_that_failed_lately_or_is_being_fetched_stays(
    changes: dict[str, float], gatehouse: world.World, documents: DocumentHost
) -> None:
    refusal(documents.url("/none.json"))
    Document.objects.update(**changes)
    housekeeping.run()
    assert urls() == {documents.url("/none.json")}


def test_urls_that_never_led_to_a_client_go_an_hour_after_they_failed(
    gatehouse: world.World, documents: DocumentHost
) -> None:
    for number in range(3):
        refusal(documents.url(f"/{number}.json"))
    find(documents.document())
    Document.objects.update(failed=1)
    housekeeping.run()
    assert urls() == {documents.url("/client.json")}


def test_clients_that_were_never_approved_leave_the_queue(gatehouse: world.World, documents: DocumentHost) -> None:
    waits, approved = documents.document("/waits.json"), documents.document("/approved.json")
    for url in (waits, approved):
        find(url)
    document = Document.objects.get(url=approved)
    assert document.current is not None
    admission.approve(
        document, document.current.digest, by=world.person("alice"), terms=Terms(owner=world.person("bob"))
    )
    housekeeping.run()
    assert urls() == {waits, approved}
    Document.objects.update(fetched=1)
    housekeeping.run()
    assert urls() == {approved}
    assert [client.client_id for client in Client.objects.filter(registration_source="cimd")] == [approved]
