"""The entry of `make demo`: it makes the environment of the clients' SDK, and runs the demo in it."""

import os

from demo import environments
from demo.processes import ROOT

if __name__ == "__main__":
    interpreter = str(environments.python("mcp2"))
    os.chdir(ROOT)
    os.execv(interpreter, [interpreter, "-m", "demo.story"])  # noqa: S606  no shell, and a program of our own
