"""The initial file system of the virtual machine: busybox, the kernel's modules for reading ours, and a script."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

from tests.fullkernel.lacking import Lacking

BUSYBOX = Path("/bin/busybox")
#: What reads the machine's own file system, and lays a writable one over parts of it.
MODULES = ("virtio_pci", "virtio_rng", "9pnet_virtio", "9p", "overlay")
FOLDERS = ("bin", "dev", "proc", "new", "modules")


def build(release: str, script: Path) -> bytes:
    """A cpio archive ("newc", Documentation/driver-api/early-userspace/buffer-format.rst) for that kernel."""
    files = {"bin/busybox": BUSYBOX.read_bytes(), "init": script.read_bytes()}
    files |= {f"modules/{number:02}.ko": module(path) for number, path in enumerate(modules(release))}
    entries = [entry(name, 0o040755, b"") for name in FOLDERS]
    entries += [entry(name, 0o100755, data) for name, data in files.items()]
    return b"".join([*entries, entry("TRAILER!!!", 0, b"")])


def modules(release: str) -> list[Path]:
    """Files of the modules and of what they need, in the order in which they have to be loaded."""
    argv = ["modprobe", "--set-version", release, "--show-depends", "--all", *MODULES]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise Lacking("modprobe is missing: apt-get install kmod") from None
    except subprocess.CalledProcessError as error:
        raise Lacking(f"the modules of kernel {release} are not complete: {error.stderr.strip()}") from None
    words = [line.split() for line in done.stdout.splitlines()]
    return list(dict.fromkeys(Path(found[1]) for found in words if found[0] == "insmod"))


def module(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix != ".ko":
        raise Lacking(f"{path}: packed in a way that is not understood here; use a kernel of Debian 12 or 13")
    return data


def entry(name: str, mode: int, data: bytes) -> bytes:
    path = name.encode() + b"\0"
    # inode, mode, uid, gid, nlink, mtime, size, device and rdevice (major, minor), length of the name, checksum.
    # Entries of the same inode are one file only where nlink says so.
    fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    return padded(b"070701" + b"".join(b"%08x" % field for field in fields) + path) + padded(data)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
