"""`make demo`: agents get tokens from Gatehouse and call a protected MCP tool with them, step by step.

Everything is real and runs here: Gatehouse (`make serve`), an MCP server built with fastmcp, clients of the official
Python SDK. Ends with 0 when every promise was kept; stops everything it started.
"""

import logging
import sys
import tempfile
import traceback
from pathlib import Path

from demo import chapter_1_one_server, chapter_2_cross_app_access
from demo.gatehouse import Gatehouse
from demo.narrator import DemoFailed, Narrator


def main() -> int:
    tell = Narrator()
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # the SDK logs what it raises; the narrator speaks for both
    with tempfile.TemporaryDirectory(prefix="gatehouse-demo-") as directory:
        house = Gatehouse(Path(directory))
        company = Gatehouse(Path(directory), name="company")
        # Gatehouse speaks to no address on this machine unless it is named; here to fetch the company's keys.
        allowed = {"GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": f"127.0.0.1:{company.port}"}
        saas = Gatehouse(Path(directory), name="saas", settings=allowed)
        try:
            chapter_1_one_server.tell_it(tell, house)
            chapter_2_cross_app_access.tell_it(tell, company, saas)
        except Exception as failed:
            if not isinstance(failed, DemoFailed):
                traceback.print_exc()
            tell.write(f"\nThe demo failed: {failed}")
            for server in (house, company, saas):
                tell.write(f"\nThe end of {server.name}'s log:\n{server.last_words()}")
            return 1
    tell.write(f"\n{tell.paint('Done.', 'bold')} All steps succeeded, and all servers are stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
