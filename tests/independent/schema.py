"""Validates documents by a JSON Schema, as an editor would.

usage: schema.py SCHEMA < documents, a JSON list of {"json": value} and {"yaml": text}

Prints a JSON list: null for a valid document, otherwise the fault. YAML is read both as YAML 1.1, like the service
does, and as YAML 1.2, like most editors do.
"""

import json
import re
import sys

import jsonschema
import yaml


def loader(resolvers):
    """A loader that resolves plain scalars by these expressions, and to strings otherwise."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

    for tag, expression, first in resolvers:
        Loader.add_implicit_resolver(tag, re.compile(expression), first)
    return Loader


OLD = loader(
    (tag, expression, [first])
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    for tag, expression in resolvers
    # a date is a string here, as in Go
    if not tag.endswith(":timestamp")
)
NEW = loader([
    ("tag:yaml.org,2002:null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^([-+]?[0-9]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)$", list("-+.0123456789")),
    ("tag:yaml.org,2002:merge", r"^<<$", ["<"]),
])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)

    def fault(value, name=""):
        error = next(validator.iter_errors(value), None)
        return error and f"{name}{error.json_path}: {error.message[:300]}"

    def judge(document):
        if "json" in document:
            return fault(document["json"])
        old, new = (next(yaml.load_all(document["yaml"], Loader=one)) for one in (OLD, NEW))
        return fault(old, "YAML 1.1: ") or fault(new, "YAML 1.2: ")

    json.dump([judge(document) for document in json.load(sys.stdin)], sys.stdout)


main()
