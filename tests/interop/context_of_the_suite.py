"""The client that the conformance suite starts: keeps what the suite tells its clients.

python -m tests.interop.context_of_the_suite ANSWER_FILE MCP_SERVER (the suite adds the last)
"""

import os
import sys
from pathlib import Path

answer_file, _ = sys.argv[1:]
Path(answer_file).write_text(os.environ["MCP_CONFORMANCE_CONTEXT"])
