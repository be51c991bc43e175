"""Where Django's admin looks for this app's pages. Importing a module registers its pages in the console."""

from cimd.admin import documents, gallery, policy, search

__all__ = ["documents", "gallery", "policy", "search"]
