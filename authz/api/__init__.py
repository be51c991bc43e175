"""The management API (docs/api.md): most of what the console and `apply` do, for programs.

`/api/v1/configuration/…` is the configuration file, item by item. The rest are actions and queries: agents and
their lifecycle, access requests, ending access, the policy, the audit. One file for each subject.
"""
