"""What an application does while something else happens: transfers and pings, and what of them got lost."""

from __future__ import annotations

import re
import signal
from urllib.parse import urlsplit

from poc.scene import Scene
from tests.lab.process import LabError, Process

#: Bytes of a transfer, which takes a second.
SIZE = 200_000
#: One after the other until SIGINT; the one under way is waited for.  A name is asked anew for each.
TRANSFERS = """
interface=$1 server=$2 name=$3 bytes=$4 whole=0 broken=0 address=$3 stop=
trap stop=1 INT
echo begun
while [ -z "$stop" ]; do
    [ -z "$server" ] || address=$(dig "@$server" +short +time=5 +tries=1 "$name")
    got=$(curl -sS -m 20 --interface "$interface" --resolve "$name:80:$address" \\
        -o /dev/null -w '%{size_download}' "http://$name/slow/$bytes/1" 2>&1)
    if [ "$got" = "$bytes" ]; then whole=$((whole + 1)); else broken=$((broken + 1)) said=" ($address: $got)"; fi
done
echo "$whole whole, $broken broken$said"
"""


class Traffic:
    """``url``: a server that is asked for one transfer after the other; ``ping``: an address, every ``pause`` seconds."""

    def __init__(self, scene: Scene, app: str, *, url: str = "", ping: str = "", pause: float = 0.02) -> None:
        self.app, self.lease = scene.apps[app], scene.leased(app)
        self.url, self.ping, self.pause = url, ping, pause
        self.pings: Process | None = None
        self.transfers: Process | None = None

    def start(self) -> None:
        """Both have begun when this returns."""
        if self.ping:
            argv = ["ping", "-n", "-q", "-i", str(self.pause), "-W", "2", "-I", "eth0", self.ping]
            self.pings = self.app.popen(argv)
            self.pings.wait_line("PING")
        if self.url:
            name = urlsplit(self.url).hostname or ""
            server = "" if name.replace(".", "").isdigit() else self.lease.dns[0]
            arguments = ["sh", self.lease.interface, server, name, str(SIZE)]
            self.transfers = self.app.popen(["sh", "-c", TRANSFERS, *arguments])
            self.transfers.wait_line("begun")

    def stop(self) -> None:
        for process in (self.pings, self.transfers):
            if process is not None:
                process.stop(signal.SIGINT, 30.0)

    def result(self) -> str:
        """End it; "nothing lost: 312 pings, 7 transfers", or what was."""
        self.stop()
        went, lost = [], []
        if self.pings is not None:
            sent, received = counted(r"(\d+) packets transmitted, (\d+) received", self.pings)
            went.append(f"{sent} pings")
            # One of them may be under way when ping is told to end.
            if sent - received > 1 or not received:
                lost.append(f"{sent - received} of {sent} pings")
        if self.transfers is not None:
            whole, broken = counted(r"(\d+) whole, (\d+) broken", self.transfers)
            went.append(f"{whole} transfers")
            if broken or not whole:
                lost.append(
                    f"{broken} of {whole + broken} transfers: {self.transfers.output.strip().splitlines()[-1]}"
                )
        return f"lost: {', '.join(lost)}" if lost else f"nothing lost: {', '.join(went)}"


def counted(pattern: str, process: Process) -> tuple[int, int]:
    found = re.search(pattern, process.output)
    if found is None:
        raise LabError(f"no result: {process.output}")
    return int(found[1]), int(found[2])
