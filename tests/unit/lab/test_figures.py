"""The lab's and the benchmark's arithmetic, without a kernel."""

from __future__ import annotations

from poc.checks import Check, run_all
from poc.scene import CONFIGURATION, without
from tests.bench.figures import Figure, samples
from tests.lab.app import Lease
from tests.lab.observe import in_range, none_lost
from tests.lab.process import LabError
from tests.lab.site import Site


def test_a_ratio_is_judged_where_there_is_a_floor_and_the_value_where_there_is_none() -> None:
    assert Figure("a", "ms", samples([30, 31, 99]), samples([20, 21, 22]), at_most=1.5).met
    assert not Figure("a", "ms", samples([40]), samples([20]), at_most=1.5).met
    assert Figure("a", "%", samples([0.5]), at_most=1).met
    assert not Figure("a", "Gbit/s", samples([8]), samples([10]), at_least=0.9).met
    assert Figure("a", "ms", samples([1])).met is None


def test_samples_show_their_median_and_spread() -> None:
    assert samples([3, 1, 2]).text("ms") == "2 (1-3) ms"
    assert samples([0.1]).text("%") == "0.1 %"


def test_a_lease_is_read_from_the_client_s_environment() -> None:
    lease = Lease.parse(
        "PATH=/bin\ninterface=eth0\nip=10.0.0.5\nmask=24\nrouter=10.0.0.1\ndns=10.0.0.1 10.0.0.2\nlease=60\n"
    )
    assert str(lease.address) == "10.0.0.5/24"
    assert lease.dns == ("10.0.0.1", "10.0.0.2")
    assert (lease.seconds, lease.mtu, lease.domain) == (60, None, "")
    assert "PATH" not in lease.raw


def test_each_port_lies_in_a_subnet_of_its_own() -> None:
    script = Site(("eth0", "eth1", "eth2"), addressed=True, dhcp_ports=("eth2",)).script()
    for number in range(3):
        assert f"address add 192.168.{number}.1/24 dev eth{number}" in script
        assert f"address add 192.168.{number}.2/24 dev eth{number}" in script
    assert "--dhcp-range=192.168.2.50" in script
    assert "--dhcp-range=192.168.1.50" not in script


def test_a_check_that_cannot_be_done_has_failed_with_what_was_seen() -> None:
    def fails() -> str:
        raise LabError("no answer")

    checks = iter(
        (
            Check("1", "a", "x", lambda: "x\n"),
            Check("1", "b", "x", fails, essential=True),
            Check("1", "c", "x", fails),
        )
    )
    outcomes = list(run_all(checks))
    assert [(o.what, o.passed) for o in outcomes] == [("a", True), ("b", False)]
    assert outcomes[1].seen == "LabError: no answer"


def test_ranges_and_losses() -> None:
    assert in_range("10.10.1", "10.10.1.150/24 via 10.10.1.1")
    assert not in_range("10.10.1", "10.10.1.151/24 via 10.10.1.1")
    assert not in_range("10.10.1", "10.10.1.77/24 via ")
    assert none_lost("0 lost of 55")
    assert not none_lost("0 lost of 3")
    assert not none_lost("2 lost of 99")


def test_taking_an_instance_out_of_a_file_takes_out_who_lived_on_it_alone() -> None:
    left = without(CONFIGURATION.read_text(), "ni2")
    assert "app2" not in left
    assert "ni2" not in left
    assert "app1" in left
