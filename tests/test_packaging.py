"""What is installed is what lies in the folders, and what the project says of itself holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("capture", "cli", "curate", "data_manifest", "model")


def test_every_sub_package_is_named_in_pyproject_and_typed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = [init.parent.relative_to(ROOT) for folder in FOLDERS for init in (ROOT / folder).rglob("__init__.py")]
    assert sorted(listed) == sorted("sidcap." + ".".join(folder.parts) for folder in found)
    assert [folder for folder in found if not (ROOT / folder / "py.typed").exists()] == []


def test_the_documents_link_only_to_what_exists() -> None:
    links = [
        (document, target)
        for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    ]
    broken = [f"{document.name} -> {target}" for document, target in links if not (document.parent / target).exists()]
    assert broken == []


def test_every_runtime_dependency_is_pinned_and_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=;\s]", dependency)[0] for dependency in project["dependencies"]]
    pinned = (ROOT / "constraints.txt").read_text().lower()
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    assert [name for name in names if f"\n{name}==" not in pinned] == []
    assert [name for name in names if name not in explained] == []


def test_every_module_of_the_capture_wing_is_kept_from_the_simulated_camera() -> None:
    modules = {f"sidcap.capture.{path.stem}" for path in (ROOT / "capture").glob("*.py")} - {"sidcap.capture.__init__"}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    kept = [set(contract["source_modules"]) for contract in contracts if contract["type"] == "forbidden"]
    assert sum(modules <= sources for sources in kept) == 2
