"""``python -m zedbox_mock FILE…``: what zedbox does on an edge device, with files for a controller.

It speaks to the daemon as the writer ``zedbox``, so that its objects are told apart from an operator's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from netnsmgr.config.check import check
from netnsmgr.config.load import load
from netnsmgr.errors import ConfigError, NetnsmgrError, Unreachable
from netnsmgr.pubsub import tables
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.sync import SyncClient

WATCHED = (tables.DEVICE_STATUS, tables.INSTANCE_STATUS, tables.APP_STATUS, tables.AGENT_STATUS)


def main() -> int:
    """Publish, then print until interrupted; exit codes as netnsmgr's own."""
    parser = argparse.ArgumentParser(prog="zedbox_mock", description=__doc__)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="YAML file, directory, or - for standard input"
    )
    parser.add_argument("--run-dir", default=os.environ.get("NETNSMGR_RUN_DIR", "/run/netnsmgr"))
    parser.add_argument("--for", type=float, metavar="SECONDS", dest="seconds", help="end after this time")
    parser.add_argument("--takeover", action="store_true", help="take objects over that another writer owns")
    options = parser.parse_args()
    try:
        loaded = load(options.files)
        # Only what cannot be sent is found here; the daemon checks the rest.
        loaded.require(check(loaded.documents, {})[1] if not all(map(sendable, loaded.documents)) else ())
        with SyncClient(options.run_dir, "zedbox") as client:
            rows = [
                (tables.KIND_TABLE[document["kind"]], document["metadata"]["name"], document)
                for document in loaded.documents
            ]
            try:
                revision = client.put(rows, takeover=options.takeover)
            except ConfigError as error:
                raise ConfigError(map(loaded.locate, error.problems)) from None
            print(f"published {len(rows)} objects as revision {revision}", flush=True)
            for table in WATCHED:
                client.subscribe(table, lambda key, row, table=table: show(table, key, row))  # type: ignore[misc]
            client.wait(lambda: False, options.seconds)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except Unreachable as error:
        print(error, file=sys.stderr)
        return 3
    except NetnsmgrError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def sendable(document: Row) -> bool:
    """Whether a document says which object it is."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return document.get("kind") in tables.KIND_TABLE and isinstance(name, str)


def show(table: str, key: str, row: Row | None) -> None:
    """Print one change of a status: its state first, the rest but the long list of items as JSON."""
    clock = time.strftime("%H:%M:%S")
    if row is None:
        print(f"{clock} {table} {key}: gone", flush=True)
        return
    rest = {field: value for field, value in row.items() if field not in ("state", "items")}
    print(f"{clock} {table} {key}: {row.get('state')} {json.dumps(rest, ensure_ascii=False)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
