"""The management API (docs/api.md): everything that the console and `apply` do, for programs.

`/api/v1/configuration/…` is the configuration file, item by item; everything beside it is what happens: agents and
their lifecycle, access requests, ending access, the policy's questions, the audit. One file a subject.
"""
