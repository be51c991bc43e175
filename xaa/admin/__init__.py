"""Where Django's admin looks for this app's pages. Importing a module registers its pages in the console."""

from xaa.admin import (
    add_workload,
    directories,
    resource_servers,
    search,
    sessions,
    signal_receivers,
    signal_sources,
    subject_links,
    trusted_issuers,
)
from xaa.admin.set_up import new, page, tested

__all__ = [
    "add_workload",
    "directories",
    "new",
    "page",
    "resource_servers",
    "search",
    "sessions",
    "signal_receivers",
    "signal_sources",
    "subject_links",
    "tested",
    "trusted_issuers",
]
