"""`/openapi.json` is valid and complete."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import handoff
from handoff.api.description.openapi import document
from handoff.api.http.problem_codes import PROBLEM_CODES
from handoff.api.operations import DOCUMENTED
from handoff.api.operations.operation import Operation
from handoff.api.pages.docs import make_descriptions
from handoff.services.access.principal import SCOPES
from tests.source_trees import nodes

NEVER_SENT = {"changed", "configuration"}  # internal retry; ends the start
DESCRIBED = document(DOCUMENTED)


@pytest.mark.no_cover  # the validator works, not the product
def test_the_document_is_valid_openapi_3_1() -> None:
    problems = [f"{it.json_path}: {it.message}" for it in OpenAPIV31SpecValidator(DESCRIBED).iter_errors()]
    assert not problems


def test_operations_have_unique_ids_and_known_scopes() -> None:
    ids = [it.id for it in DOCUMENTED]
    assert len(set(ids)) == len(ids)
    assert {scope for it in DOCUMENTED for scope in it.scopes} <= SCOPES


@pytest.mark.parametrize("operation", DOCUMENTED, ids=lambda it: it.id)
def test_an_operation_documents_its_scopes_and_path_parameters(operation: Operation) -> None:
    found = DESCRIBED["paths"][operation.path][operation.method.lower()]
    assert found["x-scope"] == list(operation.scopes)
    assert all(f"`{scope}`" in found["description"] for scope in operation.scopes)
    assert found["security"] == ([] if operation.public else [{"bearer": list(operation.scopes)}])
    placed = {parameter.name for parameter in operation.parameters if parameter.place == "path"}
    assert placed == set(re.findall(r"\{(\w+)\}", operation.path))


@pytest.mark.parametrize("name", sorted(DESCRIBED["components"]["schemas"]))
def test_a_schema_has_a_plain_name_and_a_description(name: str) -> None:
    schema = DESCRIBED["components"]["schemas"][name]
    assert re.fullmatch(r"[A-Z][A-Za-z]+", name), "give it a name in handoff/api/description/schemas.py NAMES"
    assert schema.get("description"), "give its type a docstring"


def test_renamed_members_have_their_public_names() -> None:
    schemas = DESCRIBED["components"]["schemas"]
    for name in ("Handoff", "HandoffInput", "Hop"):
        assert "from" in schemas[name]["properties"]
        assert "sender" not in schemas[name]["properties"]


def test_members_of_responses_are_required_unless_they_may_be_absent() -> None:
    context = DESCRIBED["components"]["schemas"]["Context"]
    assert {"match", "customer", "left_out"} <= set(context["required"])
    assert not {"brief", "timeline", "question", "candidates"} & set(context["required"])
    assert "default" not in json.dumps(context)


def modules() -> list[Path]:
    """The modules that may respond to a request. The command line and the start have their own errors."""
    package = Path(handoff.__file__).parent
    own = ("cli", "bootstrap")
    return [it for it in sorted(package.rglob("*.py")) if it.relative_to(package).parts[0] not in own]


def codes_in_the_source() -> dict[str, str]:
    """Every literal code in the source, and its place."""
    found: dict[str, str] = {}
    for path in modules():
        for node in nodes(path):
            for code in codes_of(node):
                found.setdefault(code, f"{path.name}:{getattr(node, 'lineno', 0)}")
    return found


def codes_of(node: ast.AST) -> Iterator[str]:
    values: list[ast.expr | None] = []
    if isinstance(node, ast.ClassDef):
        values = [it.value for it in node.body if isinstance(it, ast.Assign | ast.AnnAssign) and is_code(it)]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):  # not log.warning(…, code=…)
        values = [it.value for it in node.keywords if it.arg == "code"]
        if node.func.id in ("problem", "_refuse"):
            values += node.args[1:]
    for value in values:
        word = value.value if isinstance(value, ast.Constant) else None
        if isinstance(word, str) and re.fullmatch(r"[a-z_]+", word):
            yield word


def is_code(node: ast.Assign | ast.AnnAssign) -> bool:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return isinstance(target, ast.Name) and target.id == "code"


def test_every_problem_code_is_listed() -> None:
    found = codes_in_the_source()
    missing = {code: where for code, where in found.items() if code not in {*PROBLEM_CODES, *NEVER_SENT}}
    assert not missing, f"describe these in handoff/api/http/problem_codes.py: {missing}"


def test_every_listed_problem_code_is_used() -> None:
    text = "".join(path.read_text() for path in modules() if path.name != "problem_codes.py")
    assert not [code for code in PROBLEM_CODES if f'"{code}"' not in text]


def test_the_document_is_the_same_each_time_it_is_built() -> None:
    assert make_descriptions() == make_descriptions()
