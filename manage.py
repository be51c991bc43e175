#!/usr/bin/env python
"""The command line, in the repository: the same as `gatehouse` where pip installed it (authz/command_line)."""

from authz.command_line import main

if __name__ == "__main__":
    main()
