"""An organisation's own extensions: packages that are installed beside the server and switched on by the configuration.

installed.py finds them · contract.py says what they bring · guarded.py calls their code · faults.py keeps what went
wrong · switches.py knows which are on. A fault refuses what depends on the extension, and nothing else
(docs/extensions.md, docs/decisions/0101-extensions.md).
"""

from authz.extensions.faults import ExtensionFault
from authz.extensions.switches import Extension, active, configured, switched_on

__all__ = ["Extension", "ExtensionFault", "active", "configured", "switched_on"]
