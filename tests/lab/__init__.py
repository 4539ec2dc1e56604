"""The device made for the purpose: a whole edge device with its site and its "internet", in namespaces.

Nothing in here touches the machine's own network, and nothing stays behind: see ``holder.py`` for why.
"""

from tests.lab.app import AppHost, Lease, NoLease
from tests.lab.app6 import Advertisement, Lease6, NoLease6
from tests.lab.daemon import Daemon, DaemonFailed
from tests.lab.host import Capture, Host, HttpFailed
from tests.lab.isolate import isolated
from tests.lab.lab import Lab
from tests.lab.process import CommandFailed, LabError, Process
from tests.lab.router6 import Advertised, Served
from tests.lab.segment import Segment
from tests.lab.tap import TapApp

__all__ = [
    "Advertised",
    "Advertisement",
    "AppHost",
    "Capture",
    "CommandFailed",
    "Daemon",
    "DaemonFailed",
    "Host",
    "HttpFailed",
    "Lab",
    "LabError",
    "Lease",
    "Lease6",
    "NoLease",
    "NoLease6",
    "Process",
    "Segment",
    "Served",
    "TapApp",
    "isolated",
]
