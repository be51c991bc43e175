"""What the console's few scripts add: suggestions, and key pairs that are made where they stay."""

import json

from playwright.sync_api import Request, expect

from tests.e2e.conftest import Arrive


def test_a_rule_suggests_agents_while_typing_and_by_keyboard(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("alice")
    someone.open("/console/authz/rule/add/")
    agents = page.locator("#id_clients")

    agents.focus()
    page.keyboard.type("tag:finance\nnight")
    expect(page.get_by_role("option", name="nightly-report")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(agents).to_have_value("tag:finance\nnightly-report")
    expect(page.locator(".suggestions:visible")).to_have_count(0)


def test_a_filter_closes_by_escape_and_by_looking_elsewhere(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("alice")
    someone.open("/console/authz/client/")
    status, opened = page.locator("details.filter summary").first, page.locator("details.filter[open]")

    status.press("Enter")
    expect(opened).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(status).to_be_focused()

    status.click()
    expect(opened).to_have_count(1)
    page.get_by_role("heading", level=1).click()
    expect(opened).to_have_count(0)


def test_without_javascript_the_field_is_plain_text(arrive: Arrive) -> None:
    someone = arrive(javascript=False)
    someone.sign_in("alice")
    someone.open("/console/authz/rule/add/")

    someone.page.locator("#id_clients").fill("nightly-report")

    expect(someone.page.locator(".suggestions")).to_have_count(0)


def test_a_key_pair_is_made_in_the_browser_and_its_private_half_never_leaves(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    sent: list[str] = []

    def watch(request: Request) -> None:
        sent.append(request.url + (request.post_data or ""))

    someone.sign_in("alice")
    someone.open("/console/authz/client/add/")
    page.on("request", watch)
    page.get_by_role("button", name="Generate in this browser").click()
    private = json.loads(page.get_by_label("The private key").input_value())
    public = json.loads(page.locator("#id_client_jwks").input_value())["keys"][0]
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save it as a file").click()
    page.get_by_label("Name", exact=False).first.fill("Signing bot")
    page.get_by_label("client_credentials").check()
    page.locator("#id_token_endpoint_auth_method").select_option("private_key_jwt")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/change/**")

    assert "d" not in public
    assert {name: private[name] for name in public} == public
    assert json.loads(saved.value.path().read_text()) == private
    assert sent
    assert not any(private["d"] in one for one in sent)
    assert public["x"] in page.locator("#id_client_jwks").input_value()


def test_a_search_of_the_audit_is_kept_as_a_view(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("dana")
    someone.open("/console/authz/auditevent/?reason=client_secret_wrong")

    page.get_by_text("Save this view").click()
    page.get_by_label("Name").fill("Wrong secrets")
    page.get_by_role("button", name="Save", exact=True).click()
    someone.open("/console/authz/auditevent/")
    page.get_by_role("link", name="Wrong secrets", exact=True).click()

    expect(page.locator(".views [aria-current]")).to_have_text("Wrong secrets")
    page.get_by_role("link", name="Forget Wrong secrets").click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_role("link", name="Wrong secrets", exact=True)).to_have_count(0)
