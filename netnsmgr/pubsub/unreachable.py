"""Why the daemon does not answer, in words that say what to do."""

from __future__ import annotations

import os
import stat

from netnsmgr.pubsub import wire


def why(run_dir: str | os.PathLike[str], *, sent: bool = False) -> str:
    """The reason, as far as the file system tells it.  ``sent``: a request has left, so it may still take effect."""
    path = wire.socket_path(run_dir, wire.HUB_SOCKET)
    try:
        status = path.stat()
    except PermissionError:
        return _not_permitted(os.fspath(run_dir))
    except OSError:
        return f"the daemon is not running: there is no {path}; start it with `netnsmgr daemon`, or name its directory with --run-dir"
    if not stat.S_ISSOCK(status.st_mode):
        return f"{path} is not a socket; is {os.fspath(run_dir)} the daemon's run directory?"
    if not os.access(path, os.W_OK):
        return _not_permitted(path)
    if not _listens(os.fspath(path)):
        return f"the daemon is not running any more, its socket {path} was left behind; start it with `netnsmgr daemon`"
    late = "; the request was sent, so it may still be carried out" if sent else ""
    return f"the daemon at {path} does not answer in time; its log may say why{late}"


def absent(run_dir: str | os.PathLike[str]) -> bool:
    """Whether it is certain that there is nothing to wait for."""
    path = wire.socket_path(run_dir, wire.HUB_SOCKET)
    return not os.access(path, os.W_OK) or not _listens(os.fspath(path))


def _not_permitted(path: str | os.PathLike[str]) -> str:
    import grp
    import pwd

    try:
        status = os.stat(path)
    except PermissionError:
        return f"{os.fspath(path)} may not be looked into by this user; run this as root, or with sudo"
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    member = "" if group == owner == "root" else f", or as a member of group {group!r}"
    return f"{os.fspath(path)} may not be used by this user; run this as {owner} (sudo){member}"


def _listens(path: str) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(0.2)
        try:
            s.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # busy: somebody is there
            return True
    return True
