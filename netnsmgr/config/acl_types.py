"""Types of the fields of an access rule: how each is read, written, and called in the documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from netnsmgr.config import acl_values as read
from netnsmgr.config.acl_values import PortRange, Prefix
from netnsmgr.config.common import Shown
from netnsmgr.core.protocols import PROTOCOLS


def _one_or_list(reader: Callable[[object], object]) -> WrapValidator:
    """Take a single value for a list of it; what is wrong with one of several is said at that one."""

    def validate(value: object, handler: ValidatorFunctionWrapHandler) -> object:
        # By its very type: a PortRange is a tuple too.
        return handler(value) if type(value) in {list, tuple} else (reader(value),)

    return WrapValidator(validate)


def _one_or_list_schema(*one: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [*one, {"type": "array", "minItems": 1, "items": {"anyOf": [*one]}}]})


def _number_schema(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


_PORT = _number_schema(1, 65535)
_RANGE = {"type": "string", "pattern": "^[0-9]{1,5}( *- *[0-9]{1,5})?$"}

Prefixes = Annotated[
    tuple[
        Annotated[
            Prefix, PlainValidator(read.prefix), PlainSerializer(str, return_type=str, when_used="json")
        ],
        ...,
    ],
    Field(min_length=1),
    _one_or_list(read.prefix),
    _one_or_list_schema({"type": "string", "examples": ["10.0.0.0/8"]}),
    Shown("prefix, address, or list of them"),
]
Ports = Annotated[
    tuple[
        Annotated[
            PortRange,
            PlainValidator(read.port_range),
            PlainSerializer(
                lambda ports: ports.first if ports.first == ports.last else str(ports), when_used="json"
            ),
        ],
        ...,
    ],
    Field(min_length=1),
    _one_or_list(read.port_range),
    _one_or_list_schema(_PORT, _RANGE),
    Shown("port, range, or list of them"),
]
Domain = Annotated[
    str,
    PlainValidator(read.domain),
    WithJsonSchema({"type": "string", "maxLength": 254, "examples": ["example.com"]}),
]
Protocol = Annotated[
    int,
    PlainValidator(read.protocol),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": [*PROTOCOLS]}, _number_schema(0, 255)]}),
    Shown("name or number"),
]


IcmpTypes = Annotated[
    tuple[int, ...],  # read by the match, which knows the protocol
    Field(min_length=1),
    _one_or_list_schema({"type": "string"}, _number_schema(0, 255)),
    Shown("name, number, or list of them"),
]


def refused(title: str, faults: list[tuple[tuple[str, ...], str]]) -> ValidationError:
    """Return an error that names fields within the value, so that each is found at its own line."""
    return ValidationError.from_exception_data(
        title,
        [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{error}", {"error": what}), loc=where, input=None
            )
            for where, what in faults
        ],
    )
