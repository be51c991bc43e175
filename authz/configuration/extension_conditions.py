"""Whether what a rule says to an extension can be meant: it is installed, switched on, and takes that."""

from authz.configuration.validation import nearest
from authz.database import configuration_cache
from authz.extensions import ExtensionFault, active, switched_on
from authz.extensions.json_schemas import problems as schema_problems
from authz.policy import Rule

FIELD = "conditions.extensions"


def problems(rule: Rule) -> dict[str, str]:
    """{field: problem} of the first that cannot be meant; empty if all can."""
    for condition in rule.conditions.extensions:
        # As the same file has just switched it.
        with configuration_cache.bypassed():
            if condition.identifier not in switched_on():
                hint = nearest(condition.identifier, switched_on())
                return {FIELD: f"names {condition.identifier}, which is not switched on{hint}."}
            try:
                brought = active(condition.identifier).brought
            except ExtensionFault as fault:
                return {FIELD: str(fault)}
        if brought.condition is None:
            return {FIELD: f"names {condition.identifier}, which has no condition."}
        for path, problem in schema_problems(brought.condition_schema, condition.wanted()):
            where = ".".join(map(str, (condition.identifier, *path)))
            return {FIELD: f"{where}: {problem}."}
    return {}
