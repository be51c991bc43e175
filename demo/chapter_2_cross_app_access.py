"""Chapter two: two organisations, and an agent that goes from one to the other for Bob without asking him again.

Enterprise-managed authorization (SEP-990): sign-in → ID token → ID-JAG → access token → MCP tool. The company decides.
"""

import json
import secrets
import sys
from dataclasses import dataclass
from string import Template

import requests

from demo import agents
from demo.browser import Person
from demo.gatehouse import Gatehouse
from demo.narrator import Narrator
from demo.processes import ROOT, Server, environment, free_port

AGENT_AT_SAAS = "assistant-of-the-company"
REDIRECT_URI = "http://127.0.0.1:3333/callback"


@dataclass(frozen=True, slots=True)
class Agreed:
    """The two organisations, and what they, the agent and Bob have agreed on beforehand."""

    company: Gatehouse
    saas: Gatehouse
    notes: str
    password: str
    company_secret: str  # the agent's at the company
    saas_secret: str  # and at the software house
    notes_secret: str  # the Notes server's


def tell_it(tell: Narrator, company: Gatehouse, saas: Gatehouse) -> None:
    port = free_port()
    agreed = Agreed(company, saas, f"http://127.0.0.1:{port}/mcp", *(secrets.token_urlsafe(32) for _ in range(4)))
    tell.step(
        "Two organisations",
        "A company has a Gatehouse for its people and agents; a software house has one of its own before its Notes, "
        "and trusts the company's word about the company's people.",
    )
    with company, saas:
        for gatehouse in (company, saas):
            tell.say(gatehouse.name, f"issuer {gatehouse.issuer}")
            configure(gatehouse, agreed, bobs_group="engineering")
            tell.say("", f"configured by demo/configuration/{gatehouse.name}.yaml")
        notes_server = Server(
            name="notes",
            command=[sys.executable, "-m", "demo.notes_server", str(port), saas.metadata_url],
            ready=agreed.notes,
            log=saas.directory / "notes-as-a-service.log",
            env=environment(),
        )
        with notes_server:
            at_company = sign_in(tell, agreed)
            access_token = across(tell, agreed, at_company)
            bob_leaves_engineering(tell, agreed, at_company, access_token)


def configure(gatehouse: Gatehouse, agreed: Agreed, bobs_group: str) -> None:
    template = Template((ROOT / f"demo/configuration/{gatehouse.name}.yaml").read_text())
    gatehouse.apply(
        template.substitute(
            PASSWORD=agreed.password,
            BOBS_GROUP=bobs_group,
            NOTES=agreed.notes,
            COMPANY=agreed.company.issuer,
            SAAS=agreed.saas.issuer,
            AGENT_AT_SAAS=AGENT_AT_SAAS,
            AGENT_METHOD="client_secret_basic",
            COMPANY_SECRET=agreed.company_secret,
            SAAS_SECRET=agreed.saas_secret,
            NOTES_SECRET=agreed.notes_secret,
        )
    )


def sign_in(tell: Narrator, agreed: Agreed) -> agents.AtCompany:
    tell.step("Bob signs in to the desk assistant, at the company", "OpenID Connect: the agent learns who Bob is.")
    bob = Person("bob", agreed.password, told=lambda what: tell.say("Bob", what))
    at_company = agents.AtCompany(
        agreed.company.metadata(),
        "desk-assistant",
        agreed.company_secret,
        REDIRECT_URI,
        lambda response: tell.exchange("Desk assistant", response),
    )
    at_company.sign_in(bob)
    claims = tell.token(at_company.id_token, "ID token")
    tell.expect(
        claims["iss"] == agreed.company.issuer and claims["aud"] == "desk-assistant", "the agent knows who Bob is"
    )
    return at_company


def across(tell: Narrator, agreed: Agreed, at_company: agents.AtCompany) -> str:
    tell.step(
        "The agent goes to the Notes for Bob",
        "The company trades the ID token for an ID-JAG, if its rules allow that; the software house trades the ID-JAG "
        "for a token of its own. Bob is not asked.",
    )
    agent = agents.across_apps(
        agreed.notes,
        issuer=agreed.saas.issuer,
        client_id=AGENT_AT_SAAS,
        client_secret=agreed.saas_secret,
        at_company=at_company,
        heard=lambda response: tell.exchange("Desk assistant", response),
    )
    (answer,) = agent.read_notes()
    assert agent.memory.tokens is not None
    id_jag = tell.token(at_company.id_jag, "ID-JAG")
    claims = tell.token(agent.memory.tokens.access_token)
    tell.say("Notes", json.dumps(answer))
    tell.expect(
        id_jag["aud"] == agreed.saas.issuer and id_jag["resource"] == agreed.notes,
        "the ID-JAG is good for one place only",
    )
    tell.expect(
        claims["iss"] == agreed.saas.issuer and claims["aud"] == agreed.notes, "the token is the software house's own"
    )
    tell.expect(
        answer["notes"] and agent.memory.tokens.refresh_token is None, "the MCP tool answered; no refresh token"
    )
    return agent.memory.tokens.access_token


def bob_leaves_engineering(tell: Narrator, agreed: Agreed, at_company: agents.AtCompany, token: str) -> None:
    tell.step(
        "Bob leaves engineering",
        "Both organisations take him out of the group, as their directories tell them. Nothing has to expire first.",
    )
    tell.expect(active(tell, agreed, token), "before: the token is active")
    for gatehouse in (agreed.company, agreed.saas):
        configure(gatehouse, agreed, bobs_group="sales")
        tell.say(gatehouse.name, "Bob is in sales now")
    refused = at_company.exchange(audience=agreed.saas.issuer, resource=agreed.notes)
    tell.expect(refused.status_code == 400, "the company issues no ID-JAG for him any more")
    tell.expect(not active(tell, agreed, token), "and the token that he had is inactive")


def active(tell: Narrator, agreed: Agreed, token: str) -> bool:
    endpoint = agreed.saas.metadata()["introspection_endpoint"]
    answer = requests.post(endpoint, data={"token": token}, auth=("notes-server", agreed.notes_secret), timeout=60)
    tell.say("Notes server", f"→ POST {endpoint}  ← {answer.status_code} active={answer.json()['active']}")
    return bool(answer.json()["active"])
