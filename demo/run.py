"""`make demo` comes in here: sees to the environment of the clients' SDK, then tells the story in it."""

import os

from demo import environments
from demo.processes import ROOT

if __name__ == "__main__":
    interpreter = str(environments.python("mcp2"))
    os.chdir(ROOT)
    os.execv(interpreter, [interpreter, "-m", "demo.story"])  # noqa: S606  no shell, and a program of our own
