"""Where Django's admin looks for an app's pages when it starts; ours are in authz/console/."""

from authz.console import pages

__all__ = ["pages"]
