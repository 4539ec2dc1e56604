"""What zedagent, zedmanager and domainmgr are for netnsmgr on a device with EVE, with files for a controller.

A program (``python -m zedbox_mock --help``) and a library for tests.  It knows of netnsmgr what any supervisor can:
``netnsmgr.client``.
"""

WRITER = "zedbox"
"""The name under which it publishes, so that its objects are told apart from an operator's."""


class TimelineError(Exception):
    """A timeline is wrong; the text says all of it."""
