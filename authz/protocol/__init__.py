"""The RFCs as pure functions: no Django, no clock, no I/O.

Whatever a function needs to know (the time, the keys, the registered values) is passed in, so every rule here can be
tested as a table.
"""
