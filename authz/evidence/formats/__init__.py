"""Formats of exported events (pure): one line for each event, in ASCII.

Each format is a module with `line(index, event)`: `index` is the event's place in the tree, `event` its columns from
authz/evidence/leaves.py (empty ones are left out).
"""
