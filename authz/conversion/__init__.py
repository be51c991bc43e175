"""Exports of other authorization servers, as a draft of our configuration file. Pure.

A draft is for a person to read before they apply it. What cannot be carried over is named, each with its reason, and
nothing is carried over that would allow more than it did there: no wildcard, no rule that is in force.
"""

from authz.conversion import keycloak, oauth_toolkit
from authz.conversion.draft import Draft, LeftOut, NotAnExportError

__all__ = ["Draft", "LeftOut", "NotAnExportError", "keycloak", "oauth_toolkit"]
