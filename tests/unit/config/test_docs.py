"""What the user's pages show as YAML can be applied as it is, and no field is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netnsmgr.config.check import check
from netnsmgr.config.common import Model
from netnsmgr.config.ipsec import Ipsec, IpsecAuth, IpsecChild, IpsecConnection, IpsecSecret
from netnsmgr.config.load import load_text
from netnsmgr.config.tree import fields
from netnsmgr.config.vpn import Vpn
from netnsmgr.config.wireguard import Wireguard, WireguardPeer, WireguardTunnel

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("switches.md", "vpn.md")
BLOCKS = [
    (page, block)
    for page in PAGES
    for block in re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_examples(number: int) -> None:
    """Each example is whole: with the line that the page leaves out, nothing is wrong with it."""
    text = re.sub(r"^kind:", "apiVersion: netnsmgr/v1alpha1\nkind:", BLOCKS[number][1], flags=re.MULTILINE)
    loaded = load_text(text)
    assert loaded.documents
    assert [*loaded.report([]), *check(loaded.documents, {})[1]] == []


def test_there_are_examples() -> None:
    """The pages were found, and their examples, too."""
    assert {page: sum(each == page for each, _ in BLOCKS) >= 3 for page in PAGES} == dict.fromkeys(
        PAGES, True
    )


MODELS = (
    *(Vpn, Wireguard, WireguardTunnel, WireguardPeer),
    *(Ipsec, IpsecConnection, IpsecSecret, IpsecAuth, IpsecChild),
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_every_field_is_explained(model: type[Model]) -> None:
    """The page about tunnels names each field in a table."""
    page = (DOCS / "vpn.md").read_text(encoding="utf-8")
    named = {
        word
        for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
        for word in re.findall(r"`(.*?)`", row)
    }
    prefix = "peers[]." if model is WireguardPeer else ""
    inner = {"peers", "tunnels", "connections"}  # whose fields are named one by one
    assert {f"{prefix}{name}" for name in fields(model)} - inner <= named
