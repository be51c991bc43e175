"""Shared signals, sending: ends of access here reach resource servers and those who took our ID-JAGs (SSF 1.0, CAEP).

ends.py is told of each end in its transaction, and writes what receivers have to know into an outbox (outbox.py) for
their streams (streams.py). delivery.py pushes it (RFC 8935), and polling.py hands it out (RFC 8936): at least once, the
oldest first. saying.py has the rules of what is said; it is pure. docs/decisions/0111-signals-sent.md says why.
"""
