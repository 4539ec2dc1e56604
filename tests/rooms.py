"""The rooms of netnsmgr as its source tells them: modules, and what each imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules() -> Iterator[tuple[str, str, Path]]:
    """Yield room, dotted name below netnsmgr, and path of every module."""
    for path in sorted((ROOT / "netnsmgr").rglob("*.py")):
        parts = path.relative_to(ROOT / "netnsmgr").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        yield parts[0], name, path


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, wherever in it; relative imports are none of ours."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from netnsmgr.config import load` imports a module, `from netnsmgr.config.load import load` a name:
            # both are told apart by what exists on disk.
            base = str(node.module)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if _is_module(full) else base


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
