"""What the scenario's rows make of what programs say, without a scene."""

from __future__ import annotations

import argparse
import json
import struct
from pathlib import Path

import pytest

from poc.__main__ import rows
from poc.checks import Outcome
from poc.evidence import FILE_HEADER, PACKET, cut
from poc.report import Report, RowResult
from poc.rows import NUMBERS, ROWS
from poc.rows.switch import held
from poc.rows.tunnels import on_the_wire, tried

ESP = "08:00 IP 192.168.1.2.4500 > 192.168.111.1.4500: UDP-encap: ESP(spi=0x1,seq=0x1), length 120"
IKE = "08:00 IP 192.168.1.2.4500 > 192.168.111.1.4500: NONESP-encap: isakmp: child_sa  inf2[I]"
CLEAR = "08:00 IP 192.168.1.2.41000 > 192.168.0.1.80: Flags [S], seq 1"
SILENCE = "tcp 22:28\ntcp 81:28\ntcp 443:28\ntcp 8080:28\nudp 53:9\nping:1\n"


def test_every_row_of_the_table_is_there_and_says_what_it_is() -> None:
    assert tuple(ROWS) == NUMBERS
    assert all(row.__doc__ for row in ROWS.values())


def test_rows_are_asked_for_by_number() -> None:
    assert rows("14, 2,1") == ["1", "2", "14"]
    for wrong in ("26", "x", "", "1,26"):
        with pytest.raises(argparse.ArgumentTypeError, match="no row"):
            rows(wrong)


def test_a_limit_is_held_by_a_packet_more_or_less() -> None:
    said = "420 sent in 4.20 s, {} passed: 20 came to gw, 16 answers came back"
    assert [n for n in range(100) if held(said.format(n))] == [35, 36, 37]


def test_a_packet_in_clear_is_told_and_a_tunnel_has_to_carry_something() -> None:
    assert on_the_wire([ESP, IKE]) == "ESP in UDP, nothing in clear"
    assert on_the_wire([ESP, CLEAR]) == f"1 in clear: {CLEAR}"
    assert on_the_wire([IKE]).startswith("no ESP")
    assert on_the_wire([]).startswith("no ESP")


def test_silence_is_that_of_all_that_were_tried() -> None:
    assert tried(SILENCE) == "silence from all"
    assert tried(SILENCE.replace("81:28", "81:7")) == "tcp 81 answered (exit code 7)"


def test_the_packets_of_a_row_are_cut_out_by_their_time() -> None:
    packets = [PACKET.pack(second, 500_000, 4, 60) + struct.pack("=I", second) for second in (10, 11, 12)]
    header = b"h" * FILE_HEADER
    assert cut(header + b"".join(packets), 11.0, 12.0) == header + packets[1]
    # Its last packet is not whole yet.
    assert cut(header + b"".join(packets)[:-2], 12.0, 13.0) == header


@pytest.mark.parametrize(
    ("wanted", "passed", "code"), [(["1"], True, 0), (["1"], False, 1), (["1", "2"], True, 1)]
)
def test_only_all_rows_are_a_success(tmp_path: Path, wanted: list[str], passed: bool, code: int) -> None:
    """One that failed is none, nor is one that was not run."""
    report = Report("namespaces", wanted, tmp_path / "results" / "results.json")
    report.add(RowResult("apply", "", [Outcome("apply", "it", "applied", "applied", True, 0.1)]))
    report.add(
        RowResult("1", "", [Outcome("1", "a", "x", "x", True, 0.1), Outcome("1", "b", "x", "y", passed, 0.1)])
    )
    assert report.end() == code
    written = json.loads((tmp_path / "results" / "results.json").read_text())
    assert (written["passed"], written["failed"], written["checks"]) == (int(passed), int(not passed), 3)
    assert written["not_run"] == wanted[1:]
