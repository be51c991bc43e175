"""Destinations of the audit in a configuration file."""

import time

import pytest

from authz.configuration import ConfigurationError, apply, export
from authz.evidence import destination_tokens
from authz.models import AuditDestination, AuditEvent

CONFIGURATION = """
audit_destinations:
  - {name: siem, format: ocsf, to: "https://collector.example.com/ingest", bearer_token: a-secret-token}
  - {name: file, format: jsonl, to: "file:events.jsonl"}
"""


@pytest.mark.django_db
class TestConfiguration:
    def test_destinations_are_applied_and_exported_without_their_tokens(self) -> None:
        assert len(apply(CONFIGURATION)) == 2
        assert apply(CONFIGURATION.replace(", bearer_token: a-secret-token", "")) == []
        assert destination_tokens.token_of(AuditDestination.objects.get(name="siem")) == "a-secret-token"
        assert "a-secret-token" not in export()
        assert apply(export()) == []
        assert "a-secret-token" not in str(list(AuditEvent.objects.values_list("detail", flat=True)))
        assert b"a-secret-token" not in bytes(AuditDestination.objects.get(name="siem").encrypted_token)

    def test_a_change_goes_on_where_it_stood(self) -> None:
        apply(CONFIGURATION)
        AuditDestination.objects.update(position=7, failures=3, next_try=time.time() + 600)
        apply(CONFIGURATION.replace("events.jsonl", "others.jsonl"))
        row = AuditDestination.objects.get(name="file")
        assert (row.position, row.next_try) == (7, 0)

    def test_a_token_goes_to_no_other_place(self) -> None:
        apply(CONFIGURATION)
        elsewhere = CONFIGURATION.replace(", bearer_token: a-secret-token", "").replace("collector", "evil")
        with pytest.raises(ConfigurationError, match="is needed again"):
            apply(elsewhere)

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            ("https://collector.example.com/ingest", "http://collector.example.com"),
            ("file:events.jsonl", "file:../secret-key"),
            ("file:events.jsonl", "file:/etc/passwd"),
            ("file:events.jsonl", "file:.hidden"),
            ("file:events.jsonl", "syslog+tls://user@host:1"),
            ("file:events.jsonl", "syslog://host:514"),
            ("file:events.jsonl", "ftp://host"),
            ("ocsf", "xml"),
            ("a-secret-token", '"a b"'),
        ],
    )
    def test_an_invalid_destination_is_refused(self, was: str, becomes: str) -> None:
        with pytest.raises(ConfigurationError):
            apply(CONFIGURATION.replace(was, becomes))

    def test_a_checkpoint_does_not_fit_into_syslog(self) -> None:
        with pytest.raises(ConfigurationError, match="several lines"):
            apply('audit_destinations: [{name: a, format: checkpoint, to: "syslog+tls://host.example:6514"}]')
