"""What the agent called ``agent`` is told, from documents: checked and cut as the supervisor does it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from netnsmgr.config.check import check
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope
from netnsmgr.kernel.namespace import inode
from netnsmgr.pubsub.tables import KIND_TABLE
from netnsmgr.supervisor.slices import Slicer
from tests.kernel.stage import ETC

Document = dict[str, Any]


def told(*documents: Document, link: LinkFacts, run_dir: str = "/run", **more: Any) -> InstanceScope:
    """The scope of the instance among the documents, in this namespace; ``more`` goes to ``instance_scope``."""
    config, problems = check(list(documents), {})
    assert not problems, problems
    rows: dict[str, dict[str, Document]] = {}
    for document in documents:
        rows.setdefault(KIND_TABLE[document["kind"]], {})[document["metadata"]["name"]] = document
    row = Slicer().cut(config, rows, {"agent": 0}, 1)["agent"]
    made = instance_scope(
        row, link, run_dir=run_dir, state_dir="/run/state", netns_inode=inode() or 0,
        python=sys.executable, **more,
    )  # fmt: skip
    return replace(made, etc=ETC)
