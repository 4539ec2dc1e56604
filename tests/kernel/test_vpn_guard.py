"""Nothing that is for a tunnel leaves in clear, whatever happens to it; seen on the outer half of the instance's link."""

from __future__ import annotations

import pytest

from tests.kernel.stage import stage
from tests.kernel.vpnstage import (
    APP,
    DEVICE,
    NEIGHBOUR,
    OUTER,
    PORT_MAP,
    SERVER,
    Seen,
    app,
    document,
    gets,
    items,
    put_tunnel,
    scope,
    settle,
    surroundings,
)
from tests.lab import isolated

pytestmark = pytest.mark.root
EVERYTHING = ("0.0.0.0/0",)


def led(found: list[Seen]) -> list[Seen]:
    """Of what left, what applications have sent, and what went to the network behind the tunnel."""
    return [each for each in found if each.way == "in" and (each.secret or each.dst == "10.20.0.5")]


@isolated
async def test_an_application_reaches_the_tunnel_and_the_outside_reaches_the_application() -> None:
    """The same address is another host by the tunnel and by the device's port: each gets its own answers."""
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            of = scope(document(), [app(PORT_MAP)])
            await agent.bring(*items(of))
            settle()
            assert gets("app1", "http://10.20.0.5/") == "I am cloud, you are 10.9.0.2"
            assert gets("app1", f"http://{SERVER}/") == ""
            assert (
                gets("site", f"http://{DEVICE}:8080/", "--interface", NEIGHBOUR)
                == f"I am app, you are {NEIGHBOUR}"
            )
            assert gets("device", f"http://{APP}/", "--interface", "nm-agent") == f"I am app, you are {OUTER}"
            assert gets("app1", "http://10.20.0.5/") == "I am cloud, you are 10.9.0.2"
