"""Redeeming an ID-JAG, or a workload's assertion, as the resource's authorization server (RFC 7523)."""
