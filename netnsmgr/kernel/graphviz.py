"""Graphviz: DOT text to a drawing."""

from __future__ import annotations

import subprocess

from netnsmgr.errors import KernelError

TIMEOUT = 60
"""Seconds after which a layout is given up: its time grows fast with the number of edges."""


def render(dot: str, fmt: str = "svg") -> bytes:
    """Return the drawing of a DOT text; KernelError if graphviz is missing or refuses the text."""
    try:
        done = subprocess.run(
            ["dot", f"-T{fmt}"], input=dot.encode(), capture_output=True, check=True, timeout=TIMEOUT
        )
    except FileNotFoundError:
        raise KernelError(
            "graphviz is not installed: apt-get install graphviz, or take '--format dot' elsewhere"
        ) from None
    except subprocess.TimeoutExpired:
        raise KernelError(f"graphviz did not finish within {TIMEOUT} seconds; '--format dot' works") from None
    except subprocess.CalledProcessError as error:
        raise KernelError(f"graphviz: {error.stderr.decode(errors='replace').strip()}") from None
    return done.stdout
