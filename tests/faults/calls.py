"""System calls by number, and those that have to do with files."""

from __future__ import annotations

import platform

_X86_64 = {
    0: "read", 1: "write", 2: "open", 3: "close", 4: "stat", 5: "fstat", 6: "lstat", 8: "lseek", 16: "ioctl",
    17: "pread64", 18: "pwrite64", 20: "writev", 21: "access", 40: "sendfile", 72: "fcntl", 74: "fsync",
    75: "fdatasync", 76: "truncate", 77: "ftruncate", 82: "rename", 83: "mkdir", 84: "rmdir", 85: "creat",
    86: "link", 87: "unlink", 88: "symlink", 89: "readlink", 90: "chmod", 91: "fchmod", 92: "chown",
    93: "fchown", 217: "getdents64", 257: "openat", 258: "mkdirat", 260: "fchownat", 262: "newfstatat",
    263: "unlinkat", 264: "renameat", 265: "linkat", 266: "symlinkat", 268: "fchmodat", 269: "faccessat",
    277: "sync_file_range", 285: "fallocate", 295: "preadv", 296: "pwritev", 316: "renameat2",
    326: "copy_file_range", 332: "statx", 437: "openat2", 439: "faccessat2",
}  # fmt: skip
_AARCH64 = {
    25: "fcntl", 29: "ioctl", 34: "mkdirat", 35: "unlinkat", 36: "symlinkat", 37: "linkat", 38: "renameat",
    45: "truncate", 46: "ftruncate", 47: "fallocate", 48: "faccessat", 52: "fchmod", 53: "fchmodat",
    54: "fchownat", 55: "fchown", 56: "openat", 57: "close", 61: "getdents64", 62: "lseek", 63: "read",
    64: "write", 66: "writev", 67: "pread64", 68: "pwrite64", 69: "preadv", 70: "pwritev", 71: "sendfile",
    79: "newfstatat", 80: "fstat", 82: "fsync", 83: "fdatasync", 84: "sync_file_range", 276: "renameat2",
    285: "copy_file_range", 291: "statx", 437: "openat2", 439: "faccessat2",
}  # fmt: skip

BY_NUMBER = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine(), {})
"""Empty on a machine that nobody has looked up."""

LOOKING = {
    "read", "stat", "fstat", "lstat", "lseek", "ioctl", "pread64", "access", "fcntl", "readlink", "getdents64",
    "newfstatat", "faccessat", "faccessat2", "statx", "close",
}  # fmt: skip
"""They change nothing on a disk."""
