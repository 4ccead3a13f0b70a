"""The table of operations and the map from errors to exit codes: complete, documented, and true to the service."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import primecore
from primecore import errors
from primecore.operations import ERRORS, OPERATIONS, Operation, outcome

ROOT = Path(__file__).parents[1]
EXIT_CODES = {1, 2, 65, 66, 69, 70, 74}
FACE_CODES = {"usage", "file_not_found", "io_error", "internal_error"} | {
    "unauthorized",
    "forbidden",
    "route_not_found",
    "method_not_allowed",
    "request_timeout",
    "unsupported_media_type",
    "too_busy",
    "timed_out",
}


def error_classes() -> dict[str, type[errors.PrimeError]]:
    return {
        value.code: value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.PrimeError)
    }


def test_every_error_has_an_outcome_and_every_outcome_an_error() -> None:
    assert set(ERRORS) - FACE_CODES == set(error_classes())
    assert {it.exit_code for it in ERRORS.values()} <= EXIT_CODES
    assert all(400 <= it.http_status < 600 for it in ERRORS.values())


def test_no_two_errors_share_a_code() -> None:
    classes = [
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.PrimeError)
    ]
    assert len({it.code for it in classes}) == len(classes)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("invalid_argument", 2),
        ("invalid_event", 65),
        ("idempotency_conflict", 65),
        ("corrupt_log", 65),
        ("store_not_found", 66),
        ("node_not_found", 66),
        ("store_locked", 69),
        ("disk_full", 74),
        ("storage_failure", 74),
        ("never heard of", 70),
    ],
)
def test_exit_codes_are_those_of_the_specification(code: str, exit_code: int) -> None:
    assert outcome(code).exit_code == exit_code


def test_the_document_on_errors_says_what_the_table_says() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (?:`(\w+)`|-) \| (\d+) \| (\d+) \| (.*) \|$",
        (ROOT / "docs/errors.md").read_text(),
        re.MULTILINE,
    )
    classes = {code: value.__name__ for code, value in error_classes().items()}
    assert rows == [
        (code, classes.get(code, ""), str(it.exit_code), str(it.http_status), it.meaning) for code, it in ERRORS.items()
    ]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_each_operation_is_a_method_with_these_arguments(operation: Operation) -> None:
    with primecore.open(":memory:") as prime:
        signature = inspect.signature(getattr(primecore if operation.on_path else prime, operation.name))
    open_ended = any(it.kind is it.VAR_KEYWORD for it in signature.parameters.values())
    for field in operation.fields:
        if field.name not in signature.parameters:
            assert open_ended, f"{operation.name} takes no {field.name}"
            continue
        given = signature.parameters[field.name].default
        assert field.required == (given is inspect.Parameter.empty), f"{operation.name}.{field.name}"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_an_operation_reads_well(operation: Operation) -> None:
    assert operation.summary[0].isupper() and not operation.summary.endswith(".")
    names = [field.name for field in operation.fields]
    assert len(names) == len(set(names))
    for field in operation.fields:
        assert field.summary
        assert not (field.required and field.default is not None)
        assert not field.choices or field.default is None or field.default in field.choices


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="neighbors has no field colour"):
        OPERATIONS["neighbors"].field("colour")
