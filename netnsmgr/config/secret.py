"""Secrets: never in a document, but in a file that only root can read."""

from __future__ import annotations

from pydantic import Field

from netnsmgr.config.common import FilePath, Model


class Secret(Model):
    """Where a secret is kept. It never stands in the YAML itself, nor in any status, log or event."""

    file: FilePath = Field(examples=["/etc/netnsmgr/secrets/ni4.psk"])
    """Absolute path of a file on the device that holds the secret; owned by root, and read by nobody else (mode 0600)."""
