"""Receives security events of trusted issuers, by push (RFC 8935) and by poll (RFC 8936), and acts on them.

set_claims.py and actions.py are pure. inbox.py takes one event: its claim, its limits and its effect are one
transaction. endpoint.py and polling.py are the two ways in, transmitter.py asks the other end. docs/signals.md says
what there is, docs/decisions/0104-shared-signals-by-hand.md why it is our own code.
"""
