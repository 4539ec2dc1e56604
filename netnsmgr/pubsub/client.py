"""The way in to the hub for programs of ours: ``AsyncClient`` for loops, ``SyncClient`` for the command line.

Supervisors of others take ``netnsmgr.client``, which stands on it.

Neither blocks in ZeroMQ nor uses ``zmq.asyncio``: both drive the same ``Client``.  Importing this makes no
context, no thread and no loop, so it may be done before a fork; making a client may not.
"""

from netnsmgr.errors import ConfigError, Unreachable
from netnsmgr.pubsub.aio import AsyncClient
from netnsmgr.pubsub.peer import Client
from netnsmgr.pubsub.request import Request
from netnsmgr.pubsub.sync import SyncClient
from netnsmgr.pubsub.view import View

__all__ = ["AsyncClient", "Client", "ConfigError", "Request", "SyncClient", "Unreachable", "View"]
