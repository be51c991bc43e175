"""The worker's application object, loaded before the fork and shared copy-on-write; and the threads that each worker
starts for itself, because threads do not survive a fork.
"""

from authz.serving.asgi import application  # first: it says which settings

# isort: split
from authz.conf import conf
from authz.serving import worker_reports

__all__ = ["application"]

if conf.run_directory is not None:
    worker_reports.start()
if conf.otlp_endpoint:
    from authz.operations import trace_export

    trace_export.start()
