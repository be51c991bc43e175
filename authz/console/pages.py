"""All pages of the console: importing a page registers it. `cimd` and `xaa` register theirs in their `admin`."""

import authz.console.access_requests.admin
import authz.console.agents.add
import authz.console.agents.admin
import authz.console.agents.api_key
import authz.console.agents.authorizations
import authz.console.agents.elsewhere
import authz.console.audit.admin
import authz.console.audit.event_history
import authz.console.audit.evidence
import authz.console.cut_off
import authz.console.end_access
import authz.console.extensions
import authz.console.health
import authz.console.home
import authz.console.mcp_servers
import authz.console.people.admin
import authz.console.people.sign_ins
import authz.console.plans.admin
import authz.console.rules.admin
import authz.console.rules.history
import authz.console.rules.matrix
import authz.console.rules.preview
import authz.console.rules.simulator
import authz.console.rules.who_reaches
import authz.console.search
import authz.console.signing_keys
import authz.console.webhooks
import authz.console.widgets.suggestions  # noqa: F401  for what importing them registers
from authz.console.site import console

__all__ = ["console"]
