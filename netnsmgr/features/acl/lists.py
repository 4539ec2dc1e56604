"""Which lists an instance has, as far as numbers have to be given to them."""

from __future__ import annotations

import hashlib
import json

from netnsmgr.features import vif
from netnsmgr.features.scope import InstanceScope


def lists(scope: InstanceScope) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    """Return for each interface the digest of its list and its rules' own numbers, to have them numbered."""
    found: dict[str, tuple[str, tuple[int | None, ...]]] = {}
    for app, interface in scope.interfaces:
        rules = interface.acl
        if rules is None:
            found[vif.group(app, interface)] = ("open", (None,))
            continue
        written = [rule.model_dump(mode="json") for rule in rules]
        digest = hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:16]
        found[vif.group(app, interface)] = (digest, tuple(rule.id for rule in rules))
    return found
