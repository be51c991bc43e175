"""What a worker process of the server runs: the application, which it shares with its parent and its siblings, and what
each worker starts for itself, because threads do not survive a fork.
"""

from authz.wsgi import application as threads  # first: it says which settings

# isort: split
from authz import heartbeat
from authz.asgi import application as lane
from authz.conf import conf

__all__ = ["lane", "threads"]

if conf.run_directory is not None:
    heartbeat.start()
if conf.otlp_endpoint:
    from authz import trace_export

    trace_export.start()
