"""The daemon is killed at any moment of a change on trial, its confirmation or its rollback: it is the one or the other."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.client import SyncClient
from netnsmgr.pubsub.store import Store
from netnsmgr.pubsub.what import outcomes
from tests.lab.patience import patient
from tests.unit.pubsub.place import Site

NI = "NetworkInstanceConfig"
ROOT = Path(__file__).resolve().parents[3]
ROUNDS = int(os.environ.get("NETNSMGR_TESTS_ROUNDS", "8"))


@contextmanager
def hub(site: Site, clock: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "tests.unit.pubsub.trial_hub", str(site.run), str(site.state), str(clock)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def killed_after(process: subprocess.Popen[str], seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    return timer


def test_killed(site: Site, tmp_path: Path) -> None:
    """What was confirmed stays, what was not goes, and where nobody was told it may be either; ROUNDS times."""
    seed = int(os.environ.get("NETNSMGR_TESTS_SEED", random.randrange(1 << 32)))
    print(f"NETNSMGR_TESTS_SEED={seed}")
    chance = random.Random(seed)
    clock = tmp_path / "clock"
    clock.write_text("1000")
    allowed, took = [{"n": 0}], 0.0
    for turn in range(ROUNDS + 1):
        with hub(site, clock) as process, SyncClient(site.run, "cli") as client:
            if turn == 0:
                client.put([(NI, "ni1", {"n": 0})])
            known = client.snapshot(NI)["ni1"]
            assert known in allowed, f"round {turn}: {known}, not one of {allowed}"
            assert "" not in outcomes(Store(site.state).revisions()).values()
            new, began = {"n": turn + 1}, time.monotonic()
            # The first round is not disturbed, and says how long one takes here.
            timer = killed_after(process, chance.uniform(0, 1.2 * took)) if turn else None
            allowed = [known]
            with suppress(NetnsmgrError):
                client.transact([(NI, "ni1", new)], confirm=60, timeout=patient(0.5))
                call = chance.choice(["confirm", "rollback"])
                allowed = [known, new] if call == "confirm" else [known]
                client.call(call, {"revision": None, "writer": "cli"}, timeout=patient(0.5))
                allowed = [new] if call == "confirm" else [known]
            if timer is None:
                took = time.monotonic() - began
            else:
                timer.join()
        clock.write_text(str(1000 + 61 * (turn + 1)))
    state = Store(site.state).load()
    assert state.complete
