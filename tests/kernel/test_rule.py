"""Policy rules against the real kernel."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from netnsmgr.items.rule import LocalRule, Rule
from tests.kernel.stage import sh, stage
from tests.lab import isolated

RULES = (
    Rule(50, 800, iif="nm-ni1"),
    Rule(60, 500, src=IPv4Address("192.168.0.2")),
    Rule(70, 501, iif="eth0", src=IPv4Address("192.168.0.2")),
    Rule(80, 802),
    Rule(40, 255, dst=IPv4Network("169.254.100.0/22")),
    Rule(45, 500, mark=0x6E000000),
    Rule(46, 700, mark=0x4E4D0000, mask=0xFFFF0000),
    Rule(47, 700, oif="uplink"),
)
MOVED = LocalRule(100)


def shown() -> list[str]:
    return [line.replace("\t", " ") for line in sh("ip rule").split("\n")]


class TestRule:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key())
    @isolated
    async def test_is_there_as_intended(self, rule: Rule) -> None:
        """A rule of each form is made, before its link exists, and found again; its verbs can be repeated."""
        async with stage(owns_namespace=False) as agent:
            assert await agent.bring(rule) == [f"create {rule.ref}"]
            assert await agent.bring() == [f"delete {rule.ref}"]
            await agent.verbs(rule)
            assert shown() == [
                "0: from all lookup local",
                "32766: from all lookup main",
                "32767: from all lookup default",
            ]

    @isolated
    async def test_as_ip_shows_them(self) -> None:
        """What is made is what ``ip rule`` calls by the same words, with our protocol number."""
        async with stage(owns_namespace=False) as agent:
            await agent.bring(*RULES)
            assert shown()[1:9] == [
                "40: from all to 169.254.100.0/22 lookup local proto 110",
                "45: from all fwmark 0x6e000000 lookup 500 proto 110",
                "46: from all fwmark 0x4e4d0000/0xffff0000 lookup 700 proto 110",
                "47: from all oif uplink [detached] lookup 700 proto 110",
                "50: from all iif nm-ni1 [detached] lookup 800 proto 110",
                "60: from 192.168.0.2 lookup 500 proto 110",
                "70: from 192.168.0.2 iif eth0 [detached] lookup 501 proto 110",
                "80: from all lookup 802 proto 110",
            ]

    @isolated
    async def test_of_others_are_not_reported(self) -> None:
        """Rules without our number are not ours; ours are removed by an agent that has not made them."""
        async with stage(owns_namespace=False) as agent:
            sh("ip rule add pref 90 from 10.0.0.1 lookup 90; ip rule add pref 91 fwmark 5 lookup 91")
            assert await agent.found() == []
            await agent.bring(*RULES)
        async with stage(owns_namespace=False) as restarted:
            assert len(await restarted.bring()) == len(RULES)
        assert "90: from 10.0.0.1 lookup 90" in shown()

    @isolated
    async def test_one_that_somebody_has_made_already_is_accepted(self) -> None:
        """The kernel refuses a second rule of the same meaning: the first one does, whoever made it,
        and it stays when we no longer want it."""
        async with stage(owns_namespace=False) as agent:
            sh("ip rule add pref 80 lookup 802")
            assert await agent.bring(RULES[3]) == []
            assert await agent.bring() == []
            assert "80: from all lookup 802" in shown()


class TestLocalRule:
    @isolated
    async def test_is_moved_and_moved_back(self) -> None:
        """The lookup of the local table moves behind our rules, again elsewhere, and back to where the kernel
        has it; it stays the kernel's own rule, which others leave alone."""
        before = shown()
        async with stage(owns_namespace=False) as agent:
            assert await agent.bring(MOVED) == ["create local-rule/local"]
            assert shown()[0] == "100: from all lookup local"
            assert "100: from all lookup local proto kernel" in sh("ip -details rule").replace("\t", " ")
            assert await agent.bring(LocalRule(200)) == ["modify local-rule/local"]
            assert shown()[0] == "200: from all lookup local"
            assert await agent.bring() == ["delete local-rule/local"]
            assert [line.replace(" proto kernel", "") for line in shown()] == before

    @isolated
    async def test_verbs_can_be_repeated(self) -> None:
        """Moving it twice, and back twice, is fine."""
        async with stage(owns_namespace=False) as agent:
            await agent.verbs(MOVED, old=LocalRule(0))
            assert [line.split(" ", 1)[0] for line in shown()] == ["0:", "32766:", "32767:"]

    @pytest.mark.parametrize(
        "left",
        [
            "ip rule add pref 100 lookup local proto 110",
            "ip rule add pref 200 lookup local proto 110; ip rule del pref 0",
            "ip rule add pref 200 lookup local proto 110; ip rule add pref 100 lookup local proto 110; ip rule del pref 0",
            "ip rule add pref 50 lookup local proto 110; ip rule add pref 100 lookup local proto 110; ip rule del pref 0",
        ],
        ids=["both are there", "elsewhere", "two of ours, the new first", "two of ours, the old first"],
    )
    @isolated
    async def test_interrupted_half_way_it_is_finished(self, left: str) -> None:
        """Whatever an interruption left, the next pass finishes the move, and the next removal takes it back."""
        async with stage(owns_namespace=False) as agent:
            sh(left)
            assert await agent.bring(MOVED) == ["modify local-rule/local"]
            assert shown()[0].removesuffix(" proto 110") == "100: from all lookup local"
            assert shown()[1].startswith("32766:")
            sh(
                left.replace(
                    "; ip rule del pref 0", "; ip rule del pref 100 || true; ip rule del pref 0 || true"
                ).replace("100", "150")
            )
            await agent.bring()
            assert [line.split(" ", 1)[0] for line in shown()] == ["0:", "32766:", "32767:"]

    @isolated
    async def test_a_later_one_of_somebody_else_stays(self) -> None:
        """A lookup of the local table behind ours, or with conditions, is somebody else's and does no harm."""
        async with stage(owns_namespace=False) as agent:
            sh("ip rule add pref 5000 lookup local; ip rule add pref 10 iif lo lookup local")
            await agent.bring(MOVED)
            await agent.bring()
            assert [line.split(" ", 1)[0] for line in shown()] == ["0:", "10:", "5000:", "32766:", "32767:"]
