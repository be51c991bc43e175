"""Where Django's admin looks for this app's pages. Importing a module registers its pages in the console."""

from xaa.admin import add_workload, resource_servers, search, sessions, subject_links, trusted_issuers

__all__ = ["add_workload", "resource_servers", "search", "sessions", "subject_links", "trusted_issuers"]
