"""Shared signals (SSF 1.0, CAEP 1.0, RISC 1.0): security events from issuers to this server, and from it to others.

event_types.py and subjects.py are pure, and both ends use them; receiving/ takes events, sending/ makes them.
"""
