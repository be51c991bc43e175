"""Our commands, in the groups of the overview, each with examples of a call. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    does: str
    examples: tuple[str, ...] = ()


GROUPS: Mapping[str, Mapping[str, Entry]] = {
    "Start": {
        "run": Entry("a demo server on 127.0.0.1: two people, one MCP server, one agent", ("run", "run --port 8080")),
        "serve": Entry(
            "a server without demo data; it migrates and makes missing keys first",
            ("serve", "serve --host 0.0.0.0 --port 8000 --workers 4"),
        ),
        "prepare": Entry(
            "tables, signing keys and, if given, a configuration", ("prepare", "prepare organisation.yaml")
        ),
        "check": Entry("whether the settings are right; --deploy: for production", ("check --deploy",)),
        "doctor": Entry(
            "examine the installation, and say what to do", ("doctor", "doctor --json", "doctor --profile fapi2")
        ),
    },
    "Configuration": {
        "apply": Entry(
            "make the configuration be what a file says",
            ("apply organisation.yaml --dry-run", "apply organisation.yaml --prune", "export | gatehouse apply -"),
        ),
        "plan": Entry(
            "have another administrator approve what a file would change",
            ("plan organisation.yaml --note 'Ticket 7'", "plan organisation.yaml --prune --json"),
        ),
        "drift": Entry(
            "what differs between a file and what is there", ("drift organisation.yaml --prune", "drift - --json")
        ),
        "export": Entry("the configuration as such a file", ("export > organisation.yaml",)),
        "convert": Entry(
            "an export of Keycloak or django-oauth-toolkit as a draft of such a file",
            ("convert keycloak realm.json > organisation.yaml", "convert oauth-toolkit dump.json > organisation.yaml"),
        ),
        "extensions": Entry("an organisation's own extensions, and their state", ("extensions list --json",)),
        "policy": Entry(
            "why a request is answered as it is; check, test, compare and restore rules",
            (
                "policy explain --client nightly-report --resource https://mcp.example.com/mcp",
                "policy check --json",
                "policy test expectations.yaml --rules organisation.yaml",
                "policy diff organisation.yaml --days 30",
                "policy history --limit 5",
            ),
        ),
    },
    "People, agents and access": {
        "createsuperuser": Entry("make an administrator", ("createsuperuser --username alice",)),
        "invite": Entry("a link by which a person chooses their first password", ("invite bob --by alice",)),
        "emergency_account": Entry(
            "an administrator's way in for an hour, loud, when no other way is left",
            ("emergency_account make break-glass", "emergency_account renew break-glass", "emergency_account list"),
        ),
        "changepassword": Entry("give a person a new password", ("changepassword alice",)),
        "agents": Entry(
            "show and list agents; approve, renew, suspend or retire one",
            (
                "agents list --status pending",
                "agents show nightly-report --json",
                "agents approve nightly-report --owner alice --until 2027-06-30 --by bob",
            ),
        ),
        "api_key": Entry(
            "make a key for the management API",
            ("api_key 'Backup job' --scopes gatehouse:read --owner alice",),
        ),
        "requests": Entry(
            "the queue of access requests", ("requests list --json", "requests approve ID --for 8h --by alice")
        ),
        "end_access": Entry(
            "end all access of an agent, a person, a session and so on",
            ("end_access client nightly-report --preview", "end_access person bob --reason 'left the company'"),
        ),
    },
    "Other servers": {
        "cimd": Entry(
            "what the server thinks of a client's metadata document",
            ("cimd inspect https://client.example.com/metadata.json --json",),
        ),
        "xaa": Entry(
            "what the server thinks of an issuer, an ID-JAG or a workload's assertion",
            ("xaa inspect https://acme.okta.com", "xaa explain assertion.jwt --json"),
        ),
        "directory": Entry(
            "directories that provision by SCIM: show them, make and withdraw their tokens",
            ("directory list --json", "directory token Okta --days 90", "directory withdraw Okta --all"),
        ),
        "signals": Entry(
            "security events of issuers: show and manage their streams, hold, release, undo",
            ("signals list --json", "signals token Okta", "signals release Okta", "signals undo Okta --hours 2"),
        ),
    },
    "Keys and audit": {
        "keys": Entry(
            "signing keys: list, make, rotate, retire", ("keys list --json", "keys rotate RS256", "keys retire KID")
        ),
        "audit": Entry(
            "find events; verify, prove and export the audit",
            (
                "audit events --client nightly-report --from yesterday",
                "audit verify --from 2026-01-01",
                "audit proof 4711 > proof.json",
                "audit export --format ocsf",
            ),
        ),
    },
    "Operation": {
        "backup": Entry("copy the database to a file while the server serves", ("backup gatehouse.backup",)),
        "restore": Entry("replace the database by a backup", ("restore gatehouse.backup --replace",)),
        "migrate": Entry("bring the tables to this version (prepare does it, too)", ("migrate",)),
        "periodic": Entry("the scheduled tasks, where another program serves", ("periodic",)),
    },
}

# The former name of a command, what `run` uses, and what tests measure with: they work, and no one needs them listed.
UNLISTED = frozenset({"revoke", "seed_demo", "generate_load_data"})

_FOOT = """
`{program} COMMAND --help` shows a command's options and examples. Settings come from the environment.
The code at the end: 0 done, 1 refused or found wrong, 2 not understood, 3 the database does not answer,
4 something differs from the file (drift).
"""


def entries() -> dict[str, Entry]:
    return {name: entry for group in GROUPS.values() for name, entry in group.items()}


def names() -> frozenset[str]:
    """The commands that are ours."""
    return UNLISTED | entries().keys()


def overview(program: str) -> str:
    """What `help` prints."""
    width = max(map(len, entries()))
    lines = [f"Usage: {program} COMMAND …", f"       {program} --version"]
    for title, group in GROUPS.items():
        lines += ["", title, *(f"  {name:{width}}  {entry.does}" for name, entry in group.items())]
    return "\n".join(lines) + "\n" + _FOOT.format(program=program)


def example(program: str, name: str) -> str:
    """The first of a command's examples; "" for one that is not ours."""
    entry = entries().get(name)
    return f"{program} {entry.examples[0]}" if entry is not None and entry.examples else ""


def examples(program: str, name: str) -> str:
    """What stands below a command's options; "" for one that is not ours."""
    entry = entries().get(name)
    if entry is None or not entry.examples:
        return ""
    # A pipe leads to the program itself.
    calls = [f"  {program} {call}".replace("| gatehouse", f"| {program}") for call in entry.examples]
    return "\n".join(["Examples:", *calls])
