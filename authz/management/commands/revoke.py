"""`manage.py revoke`: the former name of `manage.py end_access`."""

from authz.management.commands.end_access import Command

__all__ = ["Command"]
