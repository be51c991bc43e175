"""Wrong calls: the whole answer is read. Nothing was done, and the next try is told."""

import subprocess
import sys

import pytest

from demo.processes import ROOT
from tests.support import commands, databases
from tests.support.commands import Told
from tests.support.world import configuration

pytestmark = pytest.mark.any_database

WRONG = {
    "a misspelt command": (
        "aply x.yaml", 2, "There is no command aply. Did you mean apply? `manage.py help` lists the commands.\n"
    ),
    "no file": ("apply nothing.yaml", 1, "nothing.yaml cannot be read: No such file or directory\n"),
    "a misspelt agent": (
        "agents show nightly-reprot", 1,
        "No agent has the client_id 'nightly-reprot'. Did you mean “nightly-report”?\n",
    ),
    "a misspelt person": (
        "agents suspend nightly-report --by bobb", 1, "There is no person 'bobb'. Did you mean “bob”?\n"
    ),
    "a person who may not": (
        "agents suspend nightly-report --by bob", 1, "Only administrators and approvers decide about agents.\n"
    ),
    "a key that is not there": ("keys retire nothing", 1, "there is no key nothing: `keys list` lists them\n"),
    "an access request that is not there": (
        "requests approve nothing --by alice", 1,
        "There is no access request 'nothing': `requests list` lists those that wait.\n",
    ),
    "an event that is not there": (
        "audit proof 999999", 1, "event 999999 is not sealed yet, or does not exist\n"
    ),
    "a restore without a word": (
        "restore x", 1, "This replaces everything in the database. Add --replace to confirm.\n"
    ),
    "access of nothing": ("end_access client", 1, "Name the one whose access ends.\n"),
    "a document at no URL": ("cimd inspect ftp://a.example/", 1, "The document is refused.\n"),
    "no assertion": ("xaa explain nothing", 1, "'nothing' is neither an assertion nor a file that holds one.\n"),
    "an export of nothing": ("convert keycloak -", 1, "Standard input is not JSON.\n"),
    "an unknown word": (
        "keys rotate RS512", 2,
        "argument alg: invalid choice: 'RS512' (choose from RS256, ES256, EdDSA); did you mean RS256?\n",
    ),
    "an unknown option": ("keys list --jsno", 2, "unrecognized arguments: --jsno; did you mean --json?\n"),
    "an unknown option of a start": (
        "serve --prot 8080", 2, "unrecognized arguments: --prot 8080; did you mean --port?\n"
    ),
    "a misspelt action": (
        "keys lst", 2,
        "argument action: invalid choice: 'lst' (choose from list, ensure, rotate, retire, reencrypt); did you"
        " mean list?\n",
    ),
    "an export without its server": (
        "convert realm.json", 2,
        "argument server: invalid choice: 'realm.json' (choose from keycloak, oauth-toolkit); for example: manage.py"
        " convert keycloak realm.json > organisation.yaml\n",
    ),
    "a number that is negative": (
        "policy history --limit -1", 2, "argument --limit: must be a whole number, 1 at least, not '-1'\n"
    ),
    "an issuer that is none": (
        "xaa inspect abc", 1, "'abc' must be an https URL, such as https://acme.okta.com.\n"
    ),
    "a missing one": ("api_key Job --owner bob", 2, "the following arguments are required: --scopes\n"),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """By the call. The last one is a process from its beginning."""
    folder = tmp_path_factory.mktemp("calls")
    with databases.database(folder, configuration()) as url:
        env = commands.environment(url, PYTHONPATH=str(ROOT))
        *calls, last = [call for call, _, _ in WRONG.values()]
        told = dict(zip(calls, commands.each([call.split() for call in calls], env, folder), strict=True))
        command = [sys.executable, ROOT / "manage.py", *last.split()]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
        return told | {last: Told(done.returncode, done.stdout, done.stderr)}


@pytest.mark.parametrize(("call", "code", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_one_sentence(answers: dict[str, Told], call: str, code: int, said: str) -> None:
    errors = answers[call].errors
    if code == 2 and "usage: " in errors:
        # The command's usage comes first.
        errors = errors.rpartition(": error: ")[2].replace("', '", ", ").replace("from '", "from ").replace("')", ")")
    assert (answers[call].code, errors) == (code, said)
