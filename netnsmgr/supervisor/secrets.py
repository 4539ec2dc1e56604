"""Files that documents name, looked at before anything is applied: only the daemon's machine has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.secret_files import secret_files
from netnsmgr.config.whole import Config
from netnsmgr.errors import KernelError, Problem
from netnsmgr.kernel.secrets import read_secret, stamp


def secret_problems(documents: Sequence[Mapping[str, Any]], config: Config) -> list[Problem]:
    """Return what is wrong with the files that ``documents`` name; documents that are wrong themselves are left out.

    Not of what was applied before: a file that has vanished since then is no reason to refuse a change elsewhere.
    """
    problems = []
    for number, document in enumerate(documents):
        ni = _instance(document, config)
        if ni is None or ni.spec.vpn is None:
            continue
        for file in secret_files(ni.spec.vpn):
            try:
                read_secret(file.path, file.kind)
            except KernelError as error:
                problems.append(Problem(str(error), file.where, number))
    return problems


def stamps(config: Config) -> dict[str, dict[str, str]]:
    """Return by instance what tells the files that its tunnels need now from those that were there before."""
    return {
        name: {file.path: stamp(file.path) for file in secret_files(ni.spec.vpn)}
        for name, ni in config.instances.items()
        if ni.spec.vpn is not None
    }


def _instance(document: object, config: Config) -> NetworkInstance | None:
    match document:
        case {"kind": "NetworkInstance", "metadata": {"name": str(name)}}:
            return config.instances.get(name)
    return None
