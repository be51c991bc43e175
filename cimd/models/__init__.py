"""What the app stores: the policy for documents, each document with its versions, and the bookkeeping of fetching."""

from cimd.models.document import Document, DocumentVersion, Logo
from cimd.models.fetch_window import FetchWindow
from cimd.models.policy import Policy
from cimd.models.registration import Registration

__all__ = ["Document", "DocumentVersion", "FetchWindow", "Logo", "Policy", "Registration"]
