"""``make diagrams``: the demo's items as the running device reports them, drawn by ``netnsmgr graph``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.lab import Lab  # noqa: E402  found only with the line above


def main() -> None:
    """Bring up the demo's device and write one SVG for an instance and one for the device."""
    with Lab() as lab:
        lab.daemon()
        for name in ("app1", "app2"):
            lab.app(name)
        lab.netnsmgr("apply", str(ROOT / "poc" / "demo.yaml"), check=True)
        for name, what in (("ni1", ["ni1"]), ("device", [])):
            svg = lab.netnsmgr("graph", *what, "--format", "svg", check=True).stdout
            (ROOT / "diagrams" / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
