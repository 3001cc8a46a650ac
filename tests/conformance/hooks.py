"""What the conformance run knows beyond the schemas: ids that exist, and rules that a schema can't express."""

import copy
import itertools
import json
import os
import random
import re

import jsonschema_rs
import schemathesis
import yaml
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    status_code_conformance,
)

ID = re.compile(r"[0-9a-f]{24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
# What the seed calls things, and what the APIs call their ids.
SEEDED = {
    "agents": ["agent_id"],
    "context_graphs": ["context_graph_id", "service_hierarchical_state_machine_id"],
    "services": ["service_id"],
    "behavior_sets": ["dynamic_behavior_set_id"],
}
# What is created on the way, by operation: what ids of it are called, here and in the answer.
CREATED = {
    "create-service": ("service_id", "id"),
    "create-conversation": ("conversation_id", "conversation_id"),
}
PINS = {
    "agent_version_number",
    "context_graph_version_number",
    "service_hierarchical_state_machine_version_number",
}

dice = random.Random(20251113)
numbers = itertools.count(1)
known: dict[str, list[str]] = {}
with open(os.path.join(os.path.dirname(__file__), "seed.yaml"), encoding="utf-8") as file:
    for homes in yaml.safe_load(file).values():
        for home in homes.values():
            for kind, names in SEEDED.items():
                for item in home.get(kind, []):
                    for name in names:
                        known.setdefault(name, []).append(item["id"])


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


def existing(name, value):
    """Most well-formed values are replaced by ones that exist, so that requests get past the 404s.

    What is malformed stays: it is to be refused.
    """
    choice = dice.getrandbits(16)
    if choice % 16 == 0:
        return value
    choice //= 16
    if isinstance(value, str) and ID.fullmatch(value):
        pool = [id for id in known.get(name, []) if len(id) == len(value)]
        # Newly made things come last and count as much as all others.
        return value if not pool or value in pool else pool[-1 if choice % 4 == 1 else choice // 4 % len(pool)]
    if name in ("version_set_name", "name_in_path") and isinstance(value, str) and SET_NAME.fullmatch(value):
        return "preview"
    if name in PINS and isinstance(value, int) and not isinstance(value, bool):
        return 1 + choice // 4 % 2
    return value


def with_existing(node):
    """A body with existing values in it."""
    if isinstance(node, dict):
        return {
            name: with_existing(value) if isinstance(value, (dict, list)) else existing(name, value)
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [with_existing(value) for value in node]
    return node


@schemathesis.hook
def before_call(context, case, kwargs):
    parameters = dict(case.path_parameters)
    for name, value in parameters.items():
        parameters[name] = existing("name_in_path" if name == "name" else name, value)
    case.path_parameters = parameters
    if isinstance(case.body, (dict, list)):
        case.body = with_existing(copy.deepcopy(case.body))
    if operation_id(case) == "create-service" and isinstance(case.body, dict):
        name = case.body.get("name")
        # Names are generated again and again; most are told apart, or hardly anything would be created.
        if isinstance(name, str) and name.strip() and len(name) < 200 and dice.getrandbits(3):
            case.body["name"] = f"{name} {next(numbers)}"


@schemathesis.hook
def after_call(context, case, response):
    name, field = CREATED.get(operation_id(case), (None, None))
    if name and response.status_code == 201:
        first_line = response.content.splitlines()[0]
        known.setdefault(name, []).append(json.loads(first_line)[field])


# Refusals of requests that fit the schema, by the status and what the answer says of them. The descriptions
# of the same operations ask for each.
RULES = [
    # Texts are stripped before their length is looked at; the schema counts the spaces.
    (422, "string_too_short", None),
    # Filters and orders have a syntax of their own, and the schema says `string`.
    (422, "value_error", "query.tags"),
    (422, "value_error", "query.tag"),
    (422, "value_error", "query.sort_by"),
    (422, "value_error", "query.version"),
    (422, "value_error", "query.current_agent_action_type"),
    # One field needs another.
    (422, "value_error", "body"),
    # "Pinned agent/HSM versions are validated": they must exist.
    (422, "value_error", "body.version_set"),
    (422, "value_error", "body.version_sets"),
    # Whole numbers in bodies have 64 bits here; the schema knows no end of them.
    (422, "int_parsing_size", None),
    # A recording of nothing is no recording.
    (422, "value_error", "body.audio"),
]
# Turns need a key and a service like every call of a workspace, though their schema names only 409 and 422.
TURNS = {"text-turn", "voice-turn"}
OF_EVERY_CALL = {401, 403, 404}
# The statuses that stand for a request that is sound, but not possible now.
IMPOSSIBLE_NOW = {400}


def explained(response):
    """Whether a refusal follows a rule that the schema can't express."""
    if response.status_code in IMPOSSIBLE_NOW:
        return True
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return False
    if not isinstance(detail, list) or not detail:
        return False
    return all(
        any(
            response.status_code == status
            and problem["type"] == kind
            and (place is None or ".".join(str(step) for step in problem["loc"][:2]) == place)
            for status, kind, place in RULES
        )
        for problem in detail
    )


NUMBER = re.compile(r"\s*[+-]?\d+(\.\d+)?\s*")


def read_leniently(errors):
    """Whether all that is wrong with a body is how numbers and truths are written."""

    def lenient(error):
        kind, value = error.kind, error.instance
        if kind.name == "anyOf" or kind.name == "oneOf":
            return any(read_leniently(branch) for branch in getattr(kind, "context", []))
        if kind.name != "type":
            return False
        if {"integer", "number"} & set(kind.types):
            return isinstance(value, bool) or (isinstance(value, str) and NUMBER.fullmatch(value) is not None)
        return "boolean" in kind.types and (value in (0, 1) or str(value).lower() in TRUTHS)

    return all(lenient(error) for error in errors)


TRUTHS = {"true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0"}


@schemathesis.check
def unfitting_data_refused(ctx, response, case):
    """`negative_data_rejection`, but for what pydantic takes: a number from `false` or "1", a truth from 1."""
    try:
        return negative_data_rejection(ctx, response, case)
    except Failure as failure:
        # Generated as a request with something wrong in it, but nothing is.
        if "Invalid component: positive test case" in failure.message:
            return None
        if isinstance(case.body, dict):
            sent = case.operation.definition.raw["requestBody"]["content"]["application/json"]["schema"]
            schema = {**sent, "components": case.operation.schema.raw_schema["components"]}
            errors = list(jsonschema_rs.Draft202012Validator(schema).iter_errors(case.body))
            if errors and read_leniently(errors):
                return None
        raise


@schemathesis.check
def known_status(ctx, response, case):
    """`status_code_conformance`, but for what goes without saying."""
    if operation_id(case) in TURNS and response.status_code in OF_EVERY_CALL:
        return None
    return status_code_conformance(ctx, response, case)


@schemathesis.check
def fitting_data_accepted(ctx, response, case):
    """`positive_data_acceptance`, but for refusals that are explained."""
    if not explained(response):
        return positive_data_acceptance(ctx, response, case)
    return None
