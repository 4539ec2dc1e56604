"""Arguments that several commands share: files, durations, names of objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """``90``, ``90s``, ``1.5m``, ``500ms`` → seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", str(value))
        if not found:
            self.fail(f"{value!r} is no duration; write it like 60s, 2m or 500ms", param, ctx)
        return float(found[1]) * UNITS[found[2] or "s"]


def timeout_option(default: str = "60s") -> Callable[[F], F]:
    """Return the ``--timeout`` option."""
    return click.option(
        "--timeout",
        type=Duration(),
        default=default,
        show_default=True,
        metavar="DURATION",
        help="How long to wait at most: 60s, 2m, 500ms.",
    )


def _to_confirm(ctx: click.Context, param: click.Parameter, value: float | None) -> float:
    if value is None:
        return 0.0
    if not 1.0 <= value <= 86_400.0:
        raise click.BadParameter("a change can wait 1s to 24h for its confirmation", ctx, param)
    return value


confirm_option = click.option(
    "--confirm",
    type=Duration(),
    callback=_to_confirm,
    metavar="DURATION",
    help="Take everything back after this time (1s to 24h), unless 'netnsmgr confirm' says that it may stay.",
)

engine = click.option(
    "--engine",
    type=click.Path(),
    default="",
    metavar="PATH",
    envvar="NETNSMGR_ENGINE",
    show_envvar=True,
    help="Socket of the container engine, for apps with attach.container.  [default: DOCKER_HOST, or the one that is there]",
)


def file_arguments(function: F) -> F:
    """Add ``[FILES…] -f FILE…``; the command gets them as ``files`` and ``more``."""
    path = click.Path(allow_dash=True)
    function = click.option(
        "-f",
        "--filename",
        "more",
        multiple=True,
        type=path,
        help="A file, a directory, or - (may be repeated).",
    )(function)
    return click.argument("files", nargs=-1, type=path)(function)
