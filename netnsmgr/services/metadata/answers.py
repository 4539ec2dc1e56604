"""Which path has which answer; pure.  Names, JSON fields and status codes are those of EVE's metadata server, and of
cloud-init's data sources NoCloud (files at the root) and OpenStack.

What EVE has and nobody here stands behind (signing by a TPM, patch envelopes, the kubeconfig of a cluster, metrics of
the host and of modems) is not found, with a sentence that says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from netnsmgr.core.agreed import METADATA, METADATA6

Record = Mapping[str, Any]
"""What is known of the interface that asks; ``features/metadata.py`` writes it."""

HERE = (f"http://{METADATA}", *(f"http://[{address}]" for address in METADATA6))
"""With what a request may begin that names this server, too (RFC 9112, 3.2.2)."""
JSON, TEXT, YAML = "application/json", "text/plain; charset=utf-8", "text/yaml; charset=utf-8"


class Answer(NamedTuple):
    """A status, what it comes with, and whether the connection ends with it."""

    status: int
    type: str = TEXT
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


class Asker(NamedTuple):
    """Who asks: what is known of the interface, and the address and port it asks from."""

    record: Record
    caller: str


def answer(method: str, target: str, asker: Asker) -> Answer:
    """Answer a request; ``target`` as in the request line."""
    path = target.partition("?")[0]
    for here in HERE:
        path = path.removeprefix(here)
    path = path.rstrip("/") or "/"
    page = PAGES.get(path)
    if page is None:
        return sentence(404, ABSENT.get(path) or f"there is no {path[:200]} here; / lists what there is")
    if method not in ("GET", "HEAD"):
        return sentence(405, f"{path} can only be read (GET, HEAD)", ("Allow", "GET, HEAD"))
    return page(asker)


def sentence(status: int, text: str, *headers: tuple[str, str], close: bool = False) -> Answer:
    """Return an answer that says in words what is wrong."""
    return Answer(status, TEXT, f"{text}\n".encode(), headers, close)


def text(value: str, type_: str = TEXT) -> Answer:
    """Return a text as it is."""
    return Answer(200, type_, value.encode())


def as_json(value: object) -> Answer:
    """Return a value as JSON."""
    return Answer(200, JSON, json.dumps(value).encode())


def _network(asker: Asker) -> Answer:
    record = asker.record
    found = {
        "caller-ip": asker.caller,
        "external-ipv4": ",".join(record["external"]),
        "hostname": record["app"],
        "app-instance-uuid": record["uuid"],
        "device-uuid": record["deviceUuid"],
        "device-name": record["device"],
        # A controller's words, which nobody has told us.
        "project-name": "",
        "project-uuid": "",
        "enterprise-name": "",
        "enterprise-id": "",
    }
    return as_json(found)


def _external(asker: Asker) -> Answer:
    addresses = asker.record["external"]
    return text("".join(f"{address}\n" for address in addresses)) if addresses else Answer(204)


def _meta_data(asker: Asker) -> Answer:
    """As YAML, a line for each key; the author's own keys count, such as another ``instance-id`` to begin anew."""
    record = asker.record
    found = {"instance-id": record["uuid"], "local-hostname": record["app"], **record["metaData"]}
    lines = (f"{_key(key)}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in found.items())
    return text("".join(lines), YAML)


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalpha() and key.isascii() else json.dumps(key)


def _open_stack(asker: Asker) -> Answer:
    record = asker.record
    return as_json(
        {
            "uuid": record["uuid"],
            "name": record["app"],
            "hostname": record["app"],
            "launch_index": 0,
            "keys": [],
            "public_keys": {},
            "meta": record["metaData"],
        }
    )


def _user_data(asker: Asker) -> Answer:
    """Empty where there is none: cloud-init's NoCloud wants the file."""
    return text(asker.record["userData"] or "")


def _open_stack_user_data(asker: Asker) -> Answer:
    if asker.record["userData"] is None:
        return sentence(404, "this application has no user data")
    return text(asker.record["userData"])


def _directory(*names: str) -> Callable[[Asker], Answer]:
    return lambda asker: text("".join(f"{name}\n" for name in names))


def _nothing(asker: Asker) -> Answer:
    """What EVE answers where it has a service for it that has found nothing (no modem, no position)."""
    return Answer(204)


OPEN_STACK: dict[str, Callable[[Asker], Answer]] = {
    "meta_data.json": _open_stack,
    "network_data.json": lambda asker: as_json(asker.record["network"]),
    "user_data": _open_stack_user_data,
    "vendor_data.json": lambda asker: as_json({}),
}

PAGES: dict[str, Callable[[Asker], Answer]] = {
    "/eve/v1/network.json": _network,
    "/eve/v1/external_ipv4": _external,
    "/eve/v1/hostname": lambda asker: text(f"{asker.record['app']}\n"),
    "/eve/v1/app/info.json": lambda asker: as_json({"AppBlobs": None}),
    "/eve/v1/location.json": _nothing,
    "/eve/v1/wwan/status.json": _nothing,
    "/eve/v1/wwan/metrics.json": _nothing,
    "/eve/v1/discover-network.json": lambda asker: sentence(
        403, "this application may not discover the others"
    ),
    "/meta-data": _meta_data,
    "/user-data": _user_data,
    "/vendor-data": lambda asker: text(""),
    "/openstack": _directory("latest"),
    "/openstack/latest": _directory(*OPEN_STACK),
    **{f"/openstack/latest/{name}": page for name, page in OPEN_STACK.items()},
}
PAGES["/"] = _directory(*(path[1:] for path in PAGES if not path.startswith("/openstack/")))

NOBODY = "nobody on this device takes"
ABSENT = {
    "/eve/v1/networks/metrics.json": "the counters of the device's ports are not known in this network",
    "/eve/v1/diag": "the device's diagnostic output is not known in this network",
    "/eve/v1/kubeconfig": f"{NOBODY} a kubeconfig",
    "/eve/v1/app/appCustomStatus": f"{NOBODY} an application's status",
    "/eve/v1/tpm/signer": f"{NOBODY} data to sign",
    "/eve/v1/tpm/activatecredential": f"{NOBODY} credentials to activate",
    "/eve/v1/patch/description.json": "there are no patch envelopes",
    "/metrics": "the metrics of the device are not known in this network",
}
"""Paths of EVE's that have no answer here, with the reason."""
