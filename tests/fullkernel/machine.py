"""A virtual machine with Debian's own kernel over this machine's file system: boots in seconds, changes nothing here.

In software emulation, because virtualization is rarely there where tests run; Python is some 20 times slower in it.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fullkernel import archive
from tests.fullkernel.lacking import Lacking

HERE = Path(__file__).resolve().parent
QEMU = "qemu-system-x86_64"
#: Nothing in there is to be guarded from anybody, and self-tests of ciphers take half a minute in emulation; on a busy
#: machine its timer is late, and the kernel would take it for broken.
FASTER = "no_timer_check audit=0 mitigations=off cryptomgr.notests=1"
INSTALL = "make fullkernel installs it as root (packaging/debian-packages.sh --fullkernel)"
#: Kernels of clouds and containers' hosts lack as much as the one that is running.
SMALL = ("cloud", "rt")


@dataclass(frozen=True)
class Machine:
    """``memory`` in MiB, ``timeout`` in seconds for everything from the boot on."""

    kernel: Path
    release: str
    timeout: float
    memory: int
    cpus: int = 2

    @classmethod
    def found(cls, timeout: float, memory: int) -> Machine:
        """With the newest kernel in /boot, or $NETNSMGR_KERNEL; Lacking says what is missing for that."""
        if platform.machine() != "x86_64":
            raise Lacking(f"the virtual machine is written for x86_64, this is {platform.machine()}")
        if shutil.which(QEMU) is None:
            raise Lacking(f"{QEMU} is missing: {INSTALL}")
        if not archive.BUSYBOX.exists():
            raise Lacking(f"{archive.BUSYBOX} is missing: {INSTALL}")
        kernels = [Path(name) for name in [os.environ.get("NETNSMGR_KERNEL", "")] if name]
        for kernel in kernels or newest_first(Path("/boot").glob("vmlinuz-*")):
            release = kernel.name.removeprefix("vmlinuz-")
            if os.access(kernel, os.R_OK) and Path("/lib/modules", release).is_dir():
                return cls(kernel, release, timeout, memory)
        raise Lacking(f"no kernel with its modules in /boot (linux-image-amd64): {INSTALL}")

    def run(self, command: Sequence[str], folder: Path, out: Path) -> int:
        """Run ``command`` in ``folder`` inside and return its exit code, 124 if the time was up.

        What it says comes to our standard output; what it writes to /run/out stays in ``out``.
        """
        for name in ("code", "dmesg"):
            (out / name).unlink(missing_ok=True)
        (out / "command").write_text(f"cd {shlex.quote(str(folder))} && exec {shlex.join(command)}\n")
        began = time.monotonic()
        with tempfile.NamedTemporaryFile(prefix="netnsmgr-initrd-") as initrd:
            initrd.write(archive.build(self.release, HERE / "boot.sh"))
            initrd.flush()
            ended = self._boot(initrd.name, out)
        took = time.monotonic() - began
        if (out / "code").exists():
            print(f"full kernel: {took:.0f} s with boot", flush=True)
            return int((out / "code").read_text())
        if ended is None:
            print(
                f"full kernel: not done after {self.timeout:.0f} s; the virtual machine was ended", flush=True
            )
            return 124
        print(f"full kernel: the virtual machine ended by itself ({ended}) after {took:.0f} s", flush=True)
        return 1

    def _boot(self, initrd: str, out: Path) -> int | None:
        sys.stdout.flush()
        qemu = subprocess.Popen(self._argv(initrd, out), stdin=subprocess.DEVNULL)
        try:
            return qemu.wait(self.timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            qemu.kill()
            qemu.wait()

    def _argv(self, initrd: str, out: Path) -> list[str]:
        words = f"console=ttyS0 quiet loglevel=3 panic=-1 {FASTER} netnsmgr.inside={HERE / 'inside.sh'}"
        return [
            *("setpriv", "--pdeathsig", "KILL", QEMU),
            *("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"),
            *("-smp", str(self.cpus), "-m", str(self.memory)),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"),
            *("-kernel", str(self.kernel), "-initrd", initrd, "-append", words, "-device", "virtio-rng-pci"),
            *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
            *("-virtfs", f"local,path={out},mount_tag=out,security_model=none,multidevs=remap"),
        ]


def newest_first(kernels: Iterable[Path]) -> list[Path]:
    found = [path for path in kernels if not any(f"-{word}-" in path.name for word in SMALL)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
