"""Seals and destinations: up to where the audit is sealed, and who was told how much of it."""

import json
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from authz.conf import conf
from authz.console.audit import destinations
from authz.console.model_admin import ReadOnlyAdmin
from authz.console.navigation import Place
from authz.console.site import console
from authz.evidence import archive_files, checkpoint_keys, proofs, sealer
from authz.evidence.status import status
from authz.models import AuditDestination

# Seconds after which unsealed events are a problem.
LATE = 12 * sealer.EVERY


@admin.register(AuditDestination, site=console)
class EvidenceAdmin(ReadOnlyAdmin):
    """One page in place of a list: the destinations are few."""

    place = Place("Operate", "Audit", "list", tab="Seals and destinations", order=2)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="authz_auditdestination_changelist"),
            path("checkpoint", wrap(self.checkpoint_view), name="authz_auditdestination_checkpoint"),
            path("proof/<int:event>", wrap(self.proof_view), name="authz_auditdestination_proof"),
            path("add/", wrap(destinations.add), name="authz_auditdestination_add"),
            # A name may have a slash.
            path("<path:name>/change/", wrap(destinations.change), name="authz_auditdestination_change"),
            path("<path:name>/test/", wrap(destinations.test), name="authz_auditdestination_test"),
            path("<path:name>/delete/", wrap(destinations.remove), name="authz_auditdestination_delete"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self._require(request)
        stands = status()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Seals and destinations",
            "status": stands,
            "is_late": stands.lag > LATE,
            "may_change": destinations.may_change(request),
            "retention_days": conf.audit_retention_days,
        }
        return TemplateResponse(request, "console/evidence.html", context)

    def checkpoint_view(self, request: HttpRequest) -> HttpResponse:
        """The latest checkpoint, to keep it. Raises `Http404`."""
        self._require(request)
        try:
            note = proofs.latest()
        except proofs.ProofError as error:
            raise Http404(str(error)) from None
        return _download(note.encode(), "checkpoint.txt", "text/plain; charset=utf-8")

    def proof_view(self, request: HttpRequest, event: int) -> HttpResponse:
        """The proof that an event is in the audit (tools/verify_audit_proof.py verifies it). Raises `Http404`."""
        self._require(request)
        try:
            proof = proofs.inclusion(event, checkpoint_keys.verifiers(), conf.audit_directory)
        except (proofs.ProofError, archive_files.ArchiveError) as error:
            raise Http404(str(error)) from None
        return _download(json.dumps(proof, indent=1).encode(), f"audit-proof-{event}.json", "application/json")

    def _require(self, request: HttpRequest) -> None:
        if not request.user.has_perm("authz.view_auditevent"):
            raise PermissionDenied


def _download(content: bytes, name: str, media_type: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(content, content_type=media_type, headers=headers)
