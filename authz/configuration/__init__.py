"""Configuration as code: `manage.py apply` and `export` (docs/configuration.md).

A file says what there shall be; applying it is one transaction, changes nothing the second time, prints what it
changed, and records each change. Each section of the file is a module (settings.GATEHOUSE["CONFIGURATION_SECTIONS"]).
"""

from authz.configuration.document import ConfigurationError, Mistake
from authz.configuration.engine import By, Change, apply, revise
from authz.configuration.left_out import LeftOut
from authz.configuration.rule_warnings import RuleWarning
from authz.configuration.sections import Section, all_sections, export

__all__ = [
    "By",
    "Change",
    "ConfigurationError",
    "LeftOut",
    "Mistake",
    "RuleWarning",
    "Section",
    "all_sections",
    "apply",
    "export",
    "revise",
]
