"""How an event is written for others (pure): one line an event, in ASCII, whatever the event holds.

Each format is a module with `line(index, event)`: `index` is the event's place in the tree, `event` its columns as
authz/evidence/leaves.py gives them (those that are empty are left out).
"""
