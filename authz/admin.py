"""`autodiscover` in authz/urls.py imports this module; the pages are in authz/console/."""

from authz.console import pages

__all__ = ["pages"]
