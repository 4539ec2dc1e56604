"""What failing rows leave behind: the packets of their time, and all logs."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import yaml

from poc.report import RowResult
from poc.scene import Scene
from tests.lab.host import Capture, Host
from tests.lab.process import LabError

#: Of a capture's file (libpcap's format, in this machine's byte order): its header, and that of a packet in it: seconds,
#: microseconds, bytes that follow, bytes that the packet had.
FILE_HEADER = 24
PACKET = struct.Struct("=IIII")
#: Seconds around a row that are kept, too.
MARGIN = 0.2


class Evidence:
    """Captures on gw's links and inside all instances over the whole run, of which the times of failing rows are kept.

    One for each place and not for each row: tcpdump takes longer to begin and to end than most rows.
    """

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.folder = scene, folder
        self.captures: dict[str, Capture] = {}
        self.failed: list[RowResult] = []
        for old in folder.glob("row-*"):
            shutil.rmtree(old)
        self._listen("gw", scene.gw)

    def enter_instances(self, text: str) -> None:
        for document in yaml.safe_load_all(text):
            if document["kind"] == "NetworkInstance":
                name = document["metadata"]["name"]
                self._listen(name, self.scene.instance(name))

    def _listen(self, name: str, host: Host) -> None:
        self.captures[name] = host.capture("any")

    def leave_instances(self) -> None:
        """A process inside would hold the namespace of an instance that is deleted."""
        for name, capture in self.captures.items():
            if name != "gw":
                capture.stop()

    def keep(self, result: RowResult) -> None:
        """Write the logs as they are now; the packets when all captures have ended."""
        result.evidence = self.folder / f"row-{result.number}"
        result.evidence.mkdir(parents=True, exist_ok=True)
        self.failed.append(result)
        logs = {**self.scene.logs(), "instances": self._instances()}
        for name, text in logs.items():
            place = result.evidence / f"{name}.log"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")

    def _instances(self) -> str:
        """What the helpers of all instances say: dnsmasq, charon."""
        argv = ["sh", "-c", "tail -v -n 2000 /run/netnsmgr/instances/*/*.log"]
        return self.scene.device.run(argv, check=False).stdout

    def close(self) -> None:
        for name, capture in self.captures.items():
            try:
                capture.stop()
                content = capture.file.read_bytes() if self.failed else b""
            except (LabError, OSError):
                continue
            for result in self.failed:
                packets = cut(content, result.began - MARGIN, result.ended + MARGIN)
                if len(packets) > FILE_HEADER and result.evidence:
                    (result.evidence / f"{name}.pcap").write_bytes(packets)


def cut(content: bytes, began: float, ended: float) -> bytes:
    """The packets of a time, as a file of their own."""
    kept, at = [content[:FILE_HEADER]], FILE_HEADER
    while at + PACKET.size <= len(content):
        seconds, microseconds, size, _ = PACKET.unpack_from(content, at)
        end = at + PACKET.size + size
        if began <= seconds + microseconds / 1e6 <= ended and end <= len(content):
            kept.append(content[at:end])
        at = end
    return b"".join(kept)
