"""What the diagrams of docs/concepts say: `python docs/site/stories.py` draws them into docs/images/.

They are images, so that they look the same on a code host and in an editor. The site puts them into the page, where its
colours apply (pages.py).
"""

from pathlib import Path

from diagrams import Ladder, Sequence, Step, ladder, sequence

IMAGES = Path(__file__).resolve().parents[1] / "images"

AGENT, US, SERVER, PERSON = "Agent", "Gatehouse", "MCP server", "Person"
HOST, PROVIDER, PLATFORM, APPROVER = "Agent's host", "Identity provider", "Platform", "Approver"

DIAGRAMS: dict[str, Sequence | Ladder] = {
    "concept-token": Sequence(
        "How an agent gets a token for an MCP server",
        (AGENT, US, SERVER),
        (
            Step(AGENT, SERVER, "calls without a token"),
            Step(SERVER, AGENT, "401: “ask Gatehouse”, by the URL of its metadata", answer=True),
            Step(AGENT, US, "asks: who I am, for which\nserver, which scopes"),
            Step(US, US, "who is it? what do the rules say?\nwhat was approved?"),
            Step(US, AGENT, "a token for this server alone,\nrecorded in the audit", answer=True),
            Step(AGENT, SERVER, "calls with the token"),
            Step(SERVER, SERVER, "checks signature, audience,\nscopes, expiry"),
        ),
    ),
    "concept-person": Sequence(
        "How an agent gets a token that acts for a person",
        (PERSON, AGENT, US),
        (
            Step(PERSON, AGENT, "“read my notes”"),
            Step(AGENT, US, "opens the browser there"),
            Step(PERSON, US, "signs in"),
            Step(US, US, "decides by the rules"),
            Step(US, PERSON, "shows who asks, for which server, and each scope", answer=True),
            Step(PERSON, US, "allows, some or all of it"),
            Step(US, AGENT, "a code, once, for a minute", answer=True),
            Step(AGENT, US, "code and PKCE verifier"),
            Step(US, US, "decides again"),
            Step(US, AGENT, "access and refresh token", answer=True),
        ),
    ),
    "concept-decision": Ladder(
        "How each scope is decided",
        (
            ("Is the agent approved, and not past its end?", "no", "Refused", True),
            ("Does a rule deny this scope?", "yes", "Left out", True),
            ("Does a rule require an approval,\nand is there none?", "yes", "The request waits\nfor a person", False),
            ("Does neither a rule allow it,\nnor an approval cover it?", "yes", "Left out", True),
        ),
        "otherwise",
        "Granted",
    ),
    "concept-cimd": Sequence(
        "How a client is known by the URL of its metadata document",
        (AGENT, US, HOST),
        (
            Step(AGENT, US, "client_id =\nhttps://claude.ai/…/metadata"),
            Step(US, HOST, "fetches the document"),
            Step(HOST, US, "name, redirect URIs, keys", answer=True),
            Step(US, US, "checks it: same URL inside?\nis its host trusted?"),
            Step(US, AGENT, "goes on: sign-in, consent, token\n(or “waits for an approval”)", answer=True),
            "weeks later",
            Step(US, HOST, "fetches it again"),
            Step(HOST, US, "another redirect URI", answer=True),
            Step(US, US, "consents end:\npeople are asked again"),
        ),
    ),
    "concept-xaa": Sequence(
        "Cross-app access: an agent reaches another server without another sign-in",
        (AGENT, PROVIDER, US, SERVER),
        (
            Step(AGENT, PROVIDER, "ID token of the person\nwho signed in there"),
            Step(PROVIDER, PROVIDER, "may this agent reach\nthat server for her?"),
            Step(PROVIDER, AGENT, "ID-JAG, for Gatehouse\nalone, for minutes", answer=True),
            Step(AGENT, US, "the ID-JAG"),
            Step(US, US, "is this issuer trusted? which person\nis it? what do the rules say?"),
            Step(US, AGENT, "access token", answer=True),
            Step(AGENT, SERVER, "calls with the token"),
        ),
    ),
    "concept-workload": Sequence(
        "How a workload gets a token without a secret",
        ("Job or pod", PLATFORM, US),
        (
            Step("Job or pod", PLATFORM, "“who am I?”, for Gatehouse"),
            Step(PLATFORM, "Job or pod", "a signed statement:\nrepository, branch, pod", answer=True),
            Step("Job or pod", US, "the statement, instead of a secret"),
            Step(US, PLATFORM, "its public keys"),
            Step(US, US, "which agent is bound to\nthis statement? the rules?"),
            Step(US, "Job or pod", "access token", answer=True),
        ),
    ),
    "concept-approval": Sequence(
        "How a request waits for a person's approval",
        (AGENT, US, APPROVER),
        (
            Step(AGENT, US, "asks for a token"),
            Step(US, US, "a rule requires an approval"),
            Step(US, AGENT, "authorization_pending", answer=True),
            Step(US, APPROVER, "a mail with a link"),
            Step(APPROVER, US, "approves: these scopes,\nuntil this day"),
            Step(AGENT, US, "asks again"),
            Step(US, AGENT, "access token", answer=True),
        ),
    ),
    "concept-call": Sequence(
        "How a call of a tool is decided",
        (AGENT, SERVER, US),
        (
            Step(AGENT, SERVER, "calls pay(amount: 250),\nwith its token"),
            Step(SERVER, US, "may this token make this\ncall, with these arguments?"),
            Step(US, US, "is the token still live?\nwhat do the rules say?"),
            Step(US, SERVER, "yes, no, or “a person\nhas to look”", answer=True),
            Step(SERVER, AGENT, "the result, or a refusal", answer=True),
        ),
    ),
    "concept-audit": Sequence(
        "How an event becomes something that can be proved",
        (US, "Database", "Elsewhere", "Auditor"),
        (
            Step(US, "Database", "token and event,\nin one transaction"),
            Step(US, "Database", "seconds later: its\nplace in the tree,\nand the signed head"),
            Step(US, "Elsewhere", "the signed head (a checkpoint), where\nthe database's owner cannot write"),
            "months later",
            Step(US, "Auditor", "one event and its proof, a few hundred bytes"),
            Step("Elsewhere", "Auditor", "the checkpoint"),
            Step("Auditor", "Auditor", "verifies, without\nserver or database"),
        ),
    ),
}


def drawings() -> dict[str, str]:
    """The SVG of each diagram, by the name of its file."""
    return {
        f"{name}.svg": ladder(told) if isinstance(told, Ladder) else sequence(told) for name, told in DIAGRAMS.items()
    }


if __name__ == "__main__":
    for file, drawing in drawings().items():
        (IMAGES / file).write_text(drawing)
