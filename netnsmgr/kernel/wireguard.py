"""WireGuard's settings by its own program ``wg``, which speaks with the kernel and with wireguard-go alike.

Secrets are read here, handed to ``wg`` in memory that has no name, and told to nobody: what is listed has fingerprints
in their places, and what ``wg`` says of a refusal has none in it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_network

from netnsmgr.errors import KernelError
from netnsmgr.items.process import Rights
from netnsmgr.items.wireguard import PROGRAM, PeerChange, PeerSeen, WireguardSeen
from netnsmgr.kernel.helper import confined
from netnsmgr.kernel.key_files import fingerprint_of, generate, read_key
from netnsmgr.kernel.wireguard_go import DIRECTORY

SECONDS = 5.0
"""How long ``wg`` may take; wireguard-go answers within milliseconds, unless it is stopped."""
AT_ONCE = 200
"""Peers in one call: a few arguments for each, and a descriptor for its secret."""
RIGHTS = Rights(("CAP_NET_ADMIN",), reads=(DIRECTORY,), unix=True)
NONE = "(none)"
UNREADABLE = "?"
TAKEN = os.strerror(errno.EADDRINUSE)


class KernelWireguards:
    """See ``items.wireguard.Wireguards``."""

    async def seen(self, door: str) -> WireguardSeen | None:
        """Return how an interface is set; None where there is none of the name, or nobody to ask."""
        try:
            return parsed(await _wg("show", door, "dump"))
        except KernelError:
            return None

    async def change(
        self,
        door: str,
        *,
        private_key: str | None = None,
        listen_port: int | None = None,
        fwmark: int | None = None,
        peers: Sequence[PeerChange] = (),
    ) -> None:
        """Change what is given and nothing else; ``KernelError`` before anything is changed if a key cannot be read."""
        private = read_key(private_key) if private_key is not None else ""
        keys = {path: read_key(path) for peer in peers if (path := peer.preshared)}
        interface = [] if listen_port is None else ["listen-port", str(listen_port)]
        interface += [] if fwmark is None else ["fwmark", hex(fwmark)]
        if private or interface:
            with ExitStack() as stack:
                secret = [stack.enter_context(_in_memory(private))] if private else []
                named = ["private-key", _path(secret[0])] if secret else []
                try:
                    await _wg("set", door, *named, *interface, fds=secret)
                except KernelError as error:
                    if listen_port is not None and TAKEN in str(error):
                        raise KernelError(
                            f"UDP port {listen_port} of the device is taken by another program: choose another listenPort"
                        ) from error
                    raise
        for start in range(0, len(peers), AT_ONCE):
            with ExitStack() as stack:
                some = peers[start : start + AT_ONCE]
                fds = {
                    each.public_key: stack.enter_context(_in_memory(keys[each.preshared]))
                    for each in some
                    if each.preshared
                }
                arguments = [word for each in some for word in _words(each, fds.get(each.public_key))]
                await _wg("set", door, *arguments, fds=list(fds.values()))

    async def knock(self, door: str, public_key: str, keepalive: int) -> None:
        """Have a handshake begin with a peer without anything to send to it; its keepalive stays as it is.

        WireGuard sends an empty packet when a keepalive is switched on; it is switched back in the same request.
        """
        steps = ("off", str(keepalive)) if keepalive else ("1", "off")
        peer = ("peer", public_key, "persistent-keepalive")
        await _wg("set", door, *(word for step in steps for word in (*peer, step)))

    def fingerprint(self, path: str) -> str:
        """Return what stands for the key in a file, as listings have it; where there is none, what no key has."""
        try:
            return fingerprint_of(read_key(path))
        except KernelError:
            return UNREADABLE

    async def generate(self, path: str) -> None:
        """Make a private key, unless there is one."""
        if not os.path.exists(path):
            await asyncio.to_thread(generate, path)


def parsed(dump: str) -> WireguardSeen:
    """Read ``wg show <interface> dump`` (wg(8)): a line of the interface, and one for each peer."""
    first, *rest = (line.split("\t") for line in dump.splitlines())
    private, public, port, mark = first
    return WireguardSeen(
        "" if private == NONE else fingerprint_of(private),
        "" if public == NONE else public,
        int(port),
        0 if mark == "off" else int(mark, 16),
        tuple(_peer(*line) for line in rest),
    )


def _peer(
    public: str,
    preshared: str,
    endpoint: str,
    allowed: str,
    handshake: str,
    rx: str,
    tx: str,
    keepalive: str,
) -> PeerSeen:
    return PeerSeen(
        public,
        "" if preshared == NONE else fingerprint_of(preshared),
        "" if endpoint == NONE else endpoint,
        () if allowed == NONE else tuple(map(ip_network, allowed.split(","))),
        int(handshake),
        int(rx),
        int(tx),
        0 if keepalive == "off" else int(keepalive),
    )


def _words(peer: PeerChange, secret: int | None) -> list[str]:
    words = ["peer", peer.public_key]
    if peer.remove:
        return [*words, "remove"]
    if peer.preshared is not None:
        # An empty file takes the key away, wg(8) says.
        words += ["preshared-key", "/dev/null" if secret is None else _path(secret)]
    if peer.endpoint is not None:
        words += ["endpoint", peer.endpoint]
    if peer.keepalive is not None:
        words += ["persistent-keepalive", str(peer.keepalive)]
    if peer.allowed_ips is not None:
        words += ["allowed-ips", ",".join(map(str, peer.allowed_ips))]
    return words


def _path(fd: int) -> str:
    # /dev/fd is udev's, and a small /dev has none.
    return f"/proc/self/fd/{fd}"


@contextmanager
def _in_memory(key: str) -> Iterator[int]:
    fd = os.memfd_create("key")
    try:
        os.write(fd, key.encode())
        yield fd
    finally:
        os.close(fd)


async def _wg(*arguments: str, fds: Sequence[int] = ()) -> str:
    """Run ``wg``; raises ``KernelError`` with its words."""
    try:
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=fds,
            preexec_fn=confined(PROGRAM, RIGHTS),
        )
    except FileNotFoundError as error:
        raise KernelError(f"{PROGRAM} is not installed") from error
    try:
        async with asyncio.timeout(SECONDS):
            out, errors = await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise KernelError(f"wg did not get an answer about {arguments[1]} within {SECONDS:g} s") from None
    if process.returncode != 0:
        words = errors.decode(errors="replace").strip() or f"exit status {process.returncode}"
        raise KernelError(f"wg {arguments[0]} {arguments[1]}: {words}")
    return out.decode()
