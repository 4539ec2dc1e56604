"""What becomes of a flow: the actions of an access rule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from netnsmgr.config import acl_values
from netnsmgr.config import rate as read
from netnsmgr.config.acl_types import refused
from netnsmgr.config.common import Model, Shown
from netnsmgr.config.rate import Rate

Port = Annotated[
    int,
    PlainValidator(acl_values.port),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535}),
    Shown("port"),
]
RateText = Annotated[
    Rate,
    PlainValidator(read.rate),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "examples": ["5/second", "100 kbytes/second"],
            "pattern": "^ *[0-9]+( *(bytes|kbytes|mbytes))? */ *(second|minute|hour) *$",
        }
    ),
    Shown("rate"),
]


class Limit(Model):
    """As much as `rate` and `burst` allow passes; what is above is dropped."""

    rate: RateText = Field(examples=["5/second", "100 kbytes/second"])
    """Packets or bytes (bytes, kbytes, mbytes; a kbyte is 1024) per second, minute or hour."""

    burst: Annotated[
        int,
        WithJsonSchema(
            {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 2**32 - 1}, {"type": "string"}]}
        ),
        Shown("packets or bytes"),
    ] = Field(default=None, validate_default=True, examples=[20, "200 kbytes"])
    """How much may pass at once after a pause: packets, or bytes with their unit, as the rate counts.
    Default: 5 packets, or the bytes of a second."""

    per: Literal["rule", "connection"] = "rule"
    """What shares the rate: all that the rule decides on, or each connection for itself."""

    @model_validator(mode="before")
    @classmethod
    def _unit_known(cls, data: Any) -> Any:
        # Python code that has a Rate counts in its unit; only in a text the unit has to be written.
        match data:
            case {"rate": Rate(unit="bytes"), "burst": int(burst)}:
                return {**data, "burst": f"{burst} bytes"}
        return data

    @field_validator("burst", mode="plain")
    @classmethod
    def _burst(cls, value: object, info: ValidationInfo) -> int:
        return read.burst(value, info.data.get("rate"))

    @model_validator(mode="after")
    def _countable(self) -> Limit:
        if fault := read.beyond_kernel(self.rate, self.burst):
            raise refused("Limit", [(("burst" if "burst" in self.model_fields_set else "rate",), fault)])
        return self

    @field_serializer("burst", when_used="json")
    def _burst_written(self, value: int) -> int | str:
        return value if self.rate.unit == "packets" else f"{value} bytes"


class Portmap(Model):
    """A port of the device leads to a port of the application."""

    portmap: Port = Field(examples=[8080])
    """Port of the application."""


class ActionMapping(Model):
    """The actions that need more than a word: exactly one of the fields."""

    limit: Limit | None = Field(default=None, examples=[{"rate": "5/second", "burst": 20}])
    """Let pass no more than a rate; what is above is dropped."""

    portmap: Port | None = Field(default=None, examples=[8080])
    """Lead a port of the device (`lport` of the match, with `protocol` tcp or udp) to this port of the application,
    and let pass what comes that way. `ip` of the match restricts the senders, `adapter` the ports of the device."""

    @model_validator(mode="after")
    def _exactly_one(self) -> ActionMapping:
        if (self.limit is None) == (self.portmap is None):
            what = "limit and portmap exclude each other" if self.limit is not None else "is empty"
            raise ValueError(f"{what}; write exactly one of limit: {{rate: 5/second}}, portmap: 8080")
        return self


WORDS = ("allow", "drop", "reject")
_FORMS = "allow, drop, reject, {limit: {rate: 5/second}} or {portmap: 8080}"


class _ActionType:
    """How an action is read and written: a word, or a mapping whose one key says what it is."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self._read,
            handler.generate_schema(ActionMapping),
            serialization=core_schema.plain_serializer_function_ser_schema(self._written, info_arg=True),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "enum": [*WORDS]}, handler(schema)]}

    @staticmethod
    def _read(value: object, handler: ValidatorFunctionWrapHandler) -> object:
        if isinstance(value, Limit | Portmap) or (isinstance(value, str) and value in WORDS):
            return value
        if isinstance(value, dict):
            mapping: ActionMapping = handler(value)
            return mapping.limit or Portmap(portmap=mapping.portmap)
        if value is None:
            raise ValueError(f"has no value; write {_FORMS}, or leave the line out to allow")
        shown = "a list is no action" if isinstance(value, list) else f"unknown action '{value}'"
        raise ValueError(f"{shown}; write {_FORMS}")

    @staticmethod
    def _written(value: str | Limit | Portmap, info: SerializationInfo) -> object:
        if isinstance(value, str):
            return value
        written = value.model_dump(mode=info.mode)
        return {"limit": written} if isinstance(value, Limit) else written


Action = Annotated[
    Literal["allow", "drop", "reject"] | Limit | Portmap,
    _ActionType(),
    Shown("allow or drop or reject or object", ActionMapping),
]
