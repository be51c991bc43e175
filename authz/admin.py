"""Django's admin imports this module when it starts; the pages are in authz/console/."""

from authz.console import pages

__all__ = ["pages"]
