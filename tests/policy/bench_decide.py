"""What a decision costs with 1,000 rules and 10,000 agents. Run it: python -m tests.policy.bench_decide

Two sets of rules: a likely one, in which a question meets a dozen rules, and a hard one, in which every rule speaks of
every client, person and resource and a third of them has conditions of its own. The target is 50 µs for the likely one.

Calls of tools are decided by the likely rules, of which 200 speak of tools, labels and arguments: the target is 30 µs.
"""

import dataclasses
import random
import statistics
import sys
import time

from authz import policy

NOW = 1_800_000_000.0
AGENTS, RULES, ASKS = 10_000, 1_000, 20_000
TARGET, TARGET_OF_CALLS = 50.0, 30.0


def agent(number: int) -> dict[str, object]:
    cimd = number % 3 == 0
    host = f"app{number}.vendor{number % 200}.example.com"
    return {
        "client_id": f"https://{host}/client.json" if cimd else f"agent-{number}",
        "client_status": policy.ClientStatus.APPROVED,
        "client_kind": policy.ClientKind.CIMD if cimd else policy.ClientKind.REGISTERED,
        "client_host": host if cimd else "",
        "client_tags": (f"team-{number % 50}", "office"),
        "client_owner": f"owner-{number % 300}",
        "client_environment": ("production", "staging")[number % 2],
    }


def likely_rules(chance: random.Random) -> list[policy.Rule]:
    rules = []
    for number in range(RULES):
        patterns: list[list[str]] = [
            ["*"],
            [f"tag:team-{number % 50}"],
            [f"host:*.vendor{number % 200}.example.com"],
            [f"agent-{chance.randrange(AGENTS)}" for _ in range(20)],
            [f"owner:owner-{number % 300}", "kind:workload"],
        ]
        mapping: dict[str, object] = {
            "name": f"rule {number}",
            "effect": chance.choices(("allow", "deny", "require_approval"), (8, 1, 1))[0],
            "clients": patterns[number % 5],
            "groups": [f"group-{chance.randrange(100)}" for _ in range(3)] if number % 10 else ["*"],
            "grant_types": ["*"] if number % 2 else ["authorization_code"],
            "resources": [f"https://mcp{chance.randrange(100)}.example.com/mcp" for _ in range(4)],
            "scopes": ["*"] if number % 4 == 0 else ["read", "write"],
        }
        if mapping["effect"] != "allow":
            mapping["scopes"], mapping["sensitivities"] = ["*"], ["high"]
        elif number % 3 == 0:
            mapping["conditions"] = {"max_auth_age": 3600 + number, "networks": ["10.0.0.0/8", "2001:db8::/32"]}
        rules.append(policy.Rule.from_mapping(mapping))
    return rules


def with_tools(rules: list[policy.Rule], chance: random.Random) -> list[policy.Rule]:
    """Every fifth rule speaks of calls."""
    return [rule if number % 5 else _of_calls(rule, number, chance) for number, rule in enumerate(rules)]


def _of_calls(rule: policy.Rule, number: int, chance: random.Random) -> policy.Rule:
    shape = rule.to_mapping()
    shape["tools"] = [f"tool-{chance.randrange(300)}" for _ in range(5)] + [f"area-{number % 40}_*"]
    if number % 3 == 0:
        shape["labels"] = [f"label-{number % 20}"]
    if number % 2:
        amount = {"below": 1000 + number}
        shape["conditions"] = {
            **rule.conditions.to_mapping(),
            "arguments": {"amount": amount, "to.country": {"equals": "DE"}},
        }
    return policy.Rule.from_mapping(shape)


def calls(put: list[policy.AccessQuestion], chance: random.Random) -> list[policy.AccessQuestion]:
    """The same questions, each about a call of a tool by an agent whose token has these scopes."""
    arguments = {"amount": 250, "to": {"country": "DE", "iban": "DE02"}, "reason": "invoice 7"}
    return [
        dataclasses.replace(
            question,
            labels=("internal",),
            asks_before_calls=True,
            tool=policy.ToolCall(
                name=chance.choice((f"tool-{chance.randrange(300)}", f"area-{chance.randrange(40)}_export")),
                labels=frozenset({f"label-{chance.randrange(20)}"}),
                arguments=arguments,
                digest="x",
            ),
        )
        for question in put
    ]


def hard_rules() -> list[policy.Rule]:
    everything = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": ["*"], "scopes": ["*"]}
    return [
        policy.Rule.from_mapping(
            {"name": f"rule {number}", "effect": "allow", **everything}
            | ({"conditions": {"max_auth_age": 3600 + number}} if number % 3 == 0 else {})
        )
        for number in range(RULES)
    ]


def questions(chance: random.Random) -> list[policy.AccessQuestion]:
    agents = [agent(number) for number in range(AGENTS)]
    return [
        policy.AccessQuestion(
            **chance.choice(agents),  # type: ignore[arg-type] # the agents' columns, as they come from a table
            subject=f"user-{chance.randrange(5000)}",
            groups=tuple(f"group-{chance.randrange(100)}" for _ in range(10)),
            grant_type="authorization_code",
            resource=f"https://mcp{chance.randrange(100)}.example.com/mcp",
            scopes=(("read", "low"), ("write", "high"), ("search", "low")),
            acr="urn:example:gold",
            amr=("pwd", "otp"),
            auth_time=NOW - 100,
            address="10.1.2.3",
        )
        for _ in range(ASKS)
    ]


def measure(title: str, rules: list[policy.Rule], put: list[policy.AccessQuestion]) -> float:
    started = time.perf_counter()
    compiled = policy.compile(rules)
    compiling = (time.perf_counter() - started) * 1000
    costs, outcomes = [], dict.fromkeys(policy.Outcome, 0)
    # The mean is of this process's own time: others on the machine would only add noise to it.
    cpu = time.process_time()
    for question in put:
        started = time.perf_counter()
        decision = policy.decide(question, compiled, NOW)
        costs.append((time.perf_counter() - started) * 1e6)
        outcomes[decision.effect] += 1
    mean = (time.process_time() - cpu) / len(put) * 1e6
    p99 = statistics.quantiles(costs, n=100)[98]
    print(
        f"{title}: {mean:.1f} µs of CPU a decision "
        f"(wall clock: median {statistics.median(costs):.1f}, p99 {p99:.1f}); "
        f"{len(rules)} rules compiled in {compiling:.0f} ms; "
        + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    )
    return mean


def main() -> int:
    chance = random.Random(1)
    put = questions(chance)
    likely = measure("likely rules", likely_rules(chance), put)
    of_calls = with_tools(likely_rules(random.Random(1)), chance)
    measure("tokens, with 200 rules that speak of tools", of_calls, put)
    call = measure("calls of tools, with 200 rules that speak of tools", of_calls, calls(put, chance))
    measure("every rule speaks of every question", hard_rules(), put[:500])
    return 0 if likely < TARGET and call < TARGET_OF_CALLS else 1


if __name__ == "__main__":
    sys.exit(main())
