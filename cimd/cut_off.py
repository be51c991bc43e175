"""Suspends one version of a metadata document (authz/authorizations/cut_off.py): what was given to the agent under it
ends.

The version in force goes back to the queue: until a person approves it, or a newer one, the agent gets nothing.
"""

from authz.authorizations.cut_off import State, Target
from authz.models import Authorization, AuthorizationCode, Client, Consent
from cimd.models import Document, DocumentVersion

# As many digits of the digest as pages show.
SHORTEST = 12


def document(identifier: str) -> Target | None:
    """By the version's digest, or the first digits of it."""
    if len(identifier) < SHORTEST:
        return None
    found = DocumentVersion.objects.select_related("document__client").filter(digest__startswith=identifier.lower())[:2]
    if len(found) != 1 or found[0].document.client is None:
        return None
    version, client = found[0], found[0].document.client
    in_force = version.document.current_id == version.pk
    this = Document.objects.filter(pk=version.document_id, current=version)

    def state() -> State:
        row = this.select_related("client").first()
        if row is None or row.client is None:
            return {}
        return {"status": row.client.status, "approval": row.approval, "waits": row.candidate_id is not None}

    def stop() -> None:
        this.filter(candidate=None).update(candidate=version)
        if this.update(approval=Document.Approval.NONE):
            Client.objects.filter(pk=client.pk, status=Client.Status.APPROVED).update(status=Client.Status.PENDING)

    def reinstate(before: State, _: frozenset[int]) -> None:
        this.update(candidate=None, approval=before["approval"])
        Client.objects.filter(pk=client.pk).update(status=before["status"])

    return Target(
        name=f"{version.digest[:SHORTEST]} of {version.document.url}",
        stops="It is no longer in force: the agent gets nothing until a person approves this version or a newer one."
        if in_force
        else "It is an old version: what was given under it ends, and the one in force stays.",
        state=state,
        stop=stop,
        reinstate=reinstate,
        # A newer version that came meanwhile waits for its own approval, and the agent may have been stopped by itself.
        rows=(this, Client.objects.filter(pk=client.pk)) if in_force else (),
        authorizations=Authorization.objects.filter(client=client, lineage__document=version.digest),
        consents=Consent.objects.filter(client=client, client_digest=client.consent_digest) if in_force else None,
        codes=AuthorizationCode.objects.filter(client=client, lineage__document=version.digest),
        client_id=client.client_id,
    )
