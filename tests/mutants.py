"""Mutation tests of the policy engine: `authz/policy` is changed in thousands of small ways, one at a time, and the
tests of `tests/policy` have to fail for at least nine of ten.

    python -m tests.mutants [PATTERN …]      such as "authz.policy.decide.*"; left out: all of them

mutmut has an environment of its own (`.venv-mutants`): the engine is pure, so neither it nor its tests need Django. It
keeps its results in `mutants/`, so a stopped run can continue, and after a change only the mutants that the change
concerns are tested again. Tests with random inputs are left out, because their results are not repeatable.
"""

import json
import shutil
import subprocess
import sys

from demo import environments
from demo.environments import ROOT

HERE = ROOT / "mutants"
LEAST = 0.9
# With its own settings for pytest, because it would otherwise find the project's in the parent folder.
CONFIGURATION = """
[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.mutmut]
source_paths = ["authz/policy"]
also_copy = ["authz", "tests"]
pytest_add_cli_args_test_selection = ["tests/policy"]
pytest_add_cli_args = ["--ignore=tests/policy/test_properties.py"]
"""


def main(patterns: list[str]) -> int:
    mutmut = environments.python("mutants").with_name("mutmut")
    _copy()
    subprocess.run([mutmut, "run", *patterns], cwd=HERE, check=True)
    for line in subprocess.run([mutmut, "results"], cwd=HERE, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    ):
        if "survived" in line or "no tests" in line:
            print(line.strip())
    subprocess.run([mutmut, "export-cicd-stats"], cwd=HERE, check=True, stdout=subprocess.DEVNULL)
    counts = json.loads((HERE / "mutants/mutmut-cicd-stats.json").read_text())
    # What hangs is noticed, too.
    killed = counts["killed"] + counts["timeout"]
    judged = killed + counts["survived"] + counts["no_tests"] + counts["suspicious"] + counts["segfault"]
    print(f"{killed} of {judged} mutants killed ({killed / judged:.1%}), {counts['timeout']} of them by timeout.")
    return 0 if killed >= LEAST * judged else 1


def _copy() -> None:
    """The engine and its tests, and nothing above them that would need more."""
    for package in ("authz/policy", "authz/protocol", "tests/policy"):
        shutil.rmtree(HERE / package, ignore_errors=True)
        shutil.copytree(ROOT / package, HERE / package, ignore=shutil.ignore_patterns("__pycache__"))
        (HERE / package).parent.joinpath("__init__.py").touch()
    (HERE / "pyproject.toml").write_text(CONFIGURATION)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
