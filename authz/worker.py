"""What a process of the server runs: the application, which it shares with its parent and its siblings, and what each
process starts for itself, because threads do not survive a fork.
"""

from authz.asgi import application  # first: it says which settings

# isort: split
from authz import heartbeat
from authz.conf import conf

__all__ = ["application"]

if conf.run_directory is not None:
    heartbeat.start()
if conf.otlp_endpoint:
    from authz import trace_export

    trace_export.start()
