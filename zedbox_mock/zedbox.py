"""EVE's agents as far as netnsmgr meets them: who says what there shall be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from netnsmgr.client import Document


class Zedagent:
    """Brings the controller's configuration: ports, network instances, applications, as documents."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self.documents = documents

    def take(self, documents: Iterable[Document]) -> None:
        """Take another version of the configuration."""
        self.documents = documents


class Domainmgr:
    """Starts applications' domains, and so knows where each lives: a namespace, process, container or TAP."""

    def __init__(self) -> None:
        self.lives: dict[str, Mapping[str, Any]] = {}

    def started(self, app: str, attach: Mapping[str, Any]) -> None:
        """Say where an application lives since it was started (again): ``{"pid": 4711}``."""
        self.lives[app] = attach

    def placed(self, document: Document) -> Document:
        """Return an application's document with the place where it lives."""
        attach = self.lives.get(document["metadata"]["name"])
        return document if attach is None else {**document, "spec": {**document["spec"], "attach": attach}}


class Zedmanager:
    """Decides what there is of what is configured: objects may be halted, ``app/app1`` and ``network-instance/ni1``."""

    def __init__(self) -> None:
        self.halted: set[str] = set()

    def present(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Yield what is not halted; of applications only the interfaces in networks that are there."""
        for document in documents:
            if label(document) in self.halted:
                continue
            kept = _without(document, self.halted) if document["kind"] == "App" else document
            if kept is not None:
                yield kept


class Zedbox:
    """The three together: ``documents`` is what is published, whole."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self.zedagent = Zedagent(documents)
        self.zedmanager = Zedmanager()
        self.domainmgr = Domainmgr()

    def documents(self) -> Iterable[Document]:
        """Return what there shall be now."""
        if not self.zedmanager.halted and not self.domainmgr.lives:
            return self.zedagent.documents  # with their places in the files
        return [
            self.domainmgr.placed(document) if document["kind"] == "App" else document
            for document in self.zedmanager.present(self.zedagent.documents)
        ]


def label(document: Document) -> str:
    """Return how timelines and output name an object; ConfigError is the daemon's to raise for what has no name."""
    noun = {"Device": "device", "NetworkInstance": "network-instance", "App": "app"}.get(document["kind"], "")
    return f"{noun}/{document['metadata']['name']}"


def _without(app: Document, halted: Collection[str]) -> Document | None:
    interfaces = app["spec"].get("interfaces", ())
    kept = [i for i in interfaces if f"network-instance/{i['network']}" not in halted]
    if len(kept) == len(interfaces):
        return app
    return {**app, "spec": {**app["spec"], "interfaces": kept}} if kept else None
