"""The names of the tables: what flows between the edge supervisor, the daemon and its agents.

The names are EVE's.  Configuration flows in and is kept on disk; status flows out and is told again by its
writers when the hub restarts.  A *scoped* table, ``AgentConfig/ni1``, is a table of its own per instance, so that
an agent is woken only by what concerns it.
"""

from __future__ import annotations

DEVICE_CONFIG = "DevicePortConfig"
"""Key: device name; value: the Device document."""
INSTANCE_CONFIG = "NetworkInstanceConfig"
"""Key: instance name; value: the NetworkInstance document."""
APP_CONFIG = "AppNetworkConfig"
"""Key: app name; value: the App document."""

DEVICE_STATUS = "DeviceNetworkStatus"
"""Key: device name."""
INSTANCE_STATUS = "NetworkInstanceStatus"
"""Key: instance name."""
APP_STATUS = "AppNetworkStatus"
"""Key: ``<ni>/<app>/<interface>``."""
AGENT_STATUS = "AgentStatus"
"""Key: agent name, which is ``uplink`` or the instance's."""
FLOW_LOG = "AppFlowLog"
"""Key: ``<ni>/<app>``."""
EVENT = "Event"
"""Key: the event's number, ten digits; value: ``core.event.Event.row``.  Only the daemon writes it."""

PERSISTENT = (DEVICE_CONFIG, INSTANCE_CONFIG, APP_CONFIG)
"""Put in transactions, validated as a whole, on disk before they are acknowledged."""
STATUS = (DEVICE_STATUS, INSTANCE_STATUS, APP_STATUS, AGENT_STATUS, FLOW_LOG)

KIND_TABLE = {"Device": DEVICE_CONFIG, "NetworkInstance": INSTANCE_CONFIG, "App": APP_CONFIG}
"""Where a document goes, by its kind."""

_AGENT_CONFIG = "AgentConfig/"
_LINK_STATUS = "LinkStatus/"
_AGENT_EVENT = "AgentEvent/"


def agent_config(agent: str) -> str:
    """The table with everything that one agent has to know (key ``config``); only the daemon writes it.

    An instance's agent reads in the row ``containers`` why there is no namespace of a container yet, by its name.
    """
    return _AGENT_CONFIG + agent


def link_status(ni: str) -> str:
    """The table in which the uplink agent tells an instance about its link to the ports (one row, key ``link``)."""
    return _LINK_STATUS + ni


def agent_event(agent: str) -> str:
    """The table in which one agent tells its events to the supervisor, which alone reads it (see ``agent.events``)."""
    return _AGENT_EVENT + agent


def agent_of_event(table: str) -> str | None:
    """Whose events the table tells; None for other tables."""
    return table.removeprefix(_AGENT_EVENT) if table.startswith(_AGENT_EVENT) else None


def is_persistent(table: str) -> bool:
    """Whether the table holds configuration."""
    return table in PERSISTENT


def is_table(table: str) -> bool:
    """Whether there is or may be such a table."""
    return table in PERSISTENT or table in STATUS or table == EVENT or is_scoped(table)


def is_scoped(table: str) -> bool:
    """Whether the table belongs to one instance."""
    prefix, slash, scope = table.partition("/")
    return bool(scope) and "/" not in scope and prefix + slash in (_AGENT_CONFIG, _LINK_STATUS, _AGENT_EVENT)


def is_daemons(table: str) -> bool:
    """Whether only the daemon itself may write the table: what agents obey has to have been validated."""
    return table.startswith(_AGENT_CONFIG) or table == EVENT
