"""A copy of the project with an example of `docs/examples` laid over it, as a how-to has a reader do it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_IGNORED: Final = shutil.ignore_patterns("__pycache__", "*.pyc")


def laid_over(tree: Path, example: str) -> set[str]:
    """Copy the project into `tree` and lay an example over it; which files of the project that replaced."""
    for name in ("connectors", "contracts", "docs", "events", "services", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=_IGNORED)
    for name in ("README.md", "README.zh-CN.md", "docker-compose.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tree / name)
    added = ROOT / "docs" / "examples" / example
    there = {path.relative_to(added) for path in added.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    replaced = {path.as_posix() for path in there if (tree / path).exists()}
    shutil.copytree(added, tree, dirs_exist_ok=True, ignore=_IGNORED)
    return replaced


def run(tree: Path, *arguments: str, deadline: float = 100) -> str:
    """Python in the copied tree, whose packages come before the installed ones; what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, check=False, cwd=tree, env=environment, capture_output=True, text=True, timeout=deadline
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
