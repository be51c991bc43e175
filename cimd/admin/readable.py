"""A document's text, its changes and its problems, as the console shows them."""

import difflib
import json
from collections.abc import Iterator

from authz.outbound import Cause
from authz.protocol.client_metadata import Check, Verdict
from cimd import metadata_document, policy
from cimd.models import Document, DocumentVersion


def readable(version: DocumentVersion | None) -> str:
    """A version's JSON, indented and with its names in order; what could not be shown is spelt out."""
    if version is None:
        return ""
    return json.dumps(json.loads(bytes(version.body)), indent=2, sort_keys=True)


def difference(before: DocumentVersion | None, after: DocumentVersion | None) -> Iterator[tuple[str, str]]:
    """The lines of two documents as (sign, text): `+`, `-`, or a space for what both have."""
    for line in difflib.ndiff(readable(before).splitlines(), readable(after).splitlines()):
        if not line.startswith("?"):
            yield line[:1], line[2:]


_CAUSES = {cause.value: cause.sentence for cause in Cause}


def problem(document: Document) -> str:
    """Why the last fetch failed, in a sentence; `""` if it did not."""
    if not document.failure:
        return ""
    sentence = _CAUSES.get(document.failure)
    if sentence is None:
        return f"The document is refused: {', '.join(check['name'] for check in document.failure_checks)}."
    return f"{sentence[:-1]} (HTTP status {document.failure_status})." if document.failure_status else sentence


def notes(document: Document) -> list[Check]:
    """The checks that today's configuration does not pass in full."""
    version = document.candidate or document.current
    if version is None:
        return []
    judged = metadata_document.validate(document.url, bytes(version.body), policy.terms(document.host))
    return [check for check in judged.checks if check.verdict is not Verdict.PASSED]
