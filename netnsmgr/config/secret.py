"""Secrets: never in a document, but in a file that only root can read."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo
from pydantic.alias_generators import to_camel

from netnsmgr.config import values
from netnsmgr.config.common import FilePath, Model

DIRECTORY = "/etc/netnsmgr/secrets"
"""Where the examples keep them."""
_EXAMPLES = {"private_key": "wg0.key", "preshared_key": "hub.psk"}


def _path(value: object) -> str:
    try:
        return values.file_path(value)
    except ValueError:
        # What stands there is not repeated: it may be the secret.
        what = f"must be the absolute path of a file on the device that holds the secret, for example {DIRECTORY}/ni4.psk"
        raise ValueError(what) from None


class Secret(Model):
    """Where a secret is kept. It never stands in the YAML itself, nor in any status, log or event."""

    file: Annotated[FilePath, PlainValidator(_path)] = Field(examples=[f"{DIRECTORY}/ni4.psk"])
    """Absolute path of a file on the device that holds the secret; owned by root, and read by nobody else (mode 0600)."""


def _no_inline(value: object, info: ValidationInfo) -> object:
    """Refuse a secret that stands where its file should, and do not repeat it."""
    if isinstance(value, Secret) or value is None or (isinstance(value, dict) and value.keys() <= {"file"}):
        return value
    field = info.field_name or ""
    path = f"{DIRECTORY}/{_EXAMPLES.get(field, 'ni4.psk')}"
    raise ValueError(
        "a secret does not stand in the YAML, which is stored and shown; write it to a file on the device that only "
        f"root can read (mode 0600), and name that: {to_camel(field)}: {{file: {path}}}"
    )


SecretField = Annotated[Secret, BeforeValidator(_no_inline)]
"""A field that says where a secret is kept."""
