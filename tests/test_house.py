"""The house rules: layout, direction of imports, sizes, and what the repository never says."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ["budget", "backends", "verifiers", "routers", "strategies", "tasks", "orchestrator"]
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "handler"}


def tracked() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] != "tests"]


def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(path: Path) -> list[tuple[int, ast.ImportFrom]]:
    return [(node.lineno, node) for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom)]


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_there_is_something_to_keep() -> None:
    assert len(sources()) > 30


def test_every_folder_of_sources_is_a_package_that_ships() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {"headgate" if path.parent == Path() else "headgate." + ".".join(path.parent.parts) for path in sources()}
    assert folders == set(packages)


def test_only_the_face_stands_at_the_root() -> None:
    assert {path.name for path in sources() if path.parent == Path()} <= {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("path", sources(), ids=str)
def test_imports_between_folders_are_relative_and_run_downward(path: Path) -> None:
    for line, node in imports(path):
        assert not (node.level == 0 and (node.module or "").split(".")[0] == "headgate"), f"{path}:{line} is absolute"
        above = node.level == len(path.parts) and node.module
        if not above or path.parts[0] not in FLOORS:
            continue
        head = (node.module or "").split(".")[0]
        if head == "training" and path.parts[1] == "commands" and node.col_offset:
            continue  # a command that trains says so only when it is called
        assert head in FLOORS, f"{path}:{line} imports {head}"
        assert FLOORS.index(head) <= FLOORS.index(path.parts[0]), f"{path}:{line} imports {head}, which stands above"


@pytest.mark.parametrize("path", [path for path in sources() if path.name == "base.py"], ids=str)
def test_a_base_imports_no_sibling(path: Path) -> None:
    assert [line for line, node in imports(path) if node.level == 1] == []


@pytest.mark.parametrize("path", sources(), ids=str)
def test_files_functions_and_names_are_of_a_size_to_read(path: Path) -> None:
    assert (ROOT / path).read_text().count("\n") <= 400
    assert path.stem not in VAGUE
    for function in functions(path):
        assert (function.end_lineno or 0) - function.lineno < 50, f"{path}:{function.lineno} {function.name} is long"
        assert function.returns is not None, f"{path}:{function.lineno} {function.name} has no return annotation"


def test_the_median_function_is_short() -> None:
    sizes = sorted((f.end_lineno or 0) - f.lineno + 1 for path in sources() for f in functions(path))
    assert sizes[len(sizes) // 2] <= 10


@pytest.mark.parametrize("path", [p for p in tracked() if p.suffix in {".py", ".md", ".toml", ".yaml", ""}], ids=str)
def test_the_repository_names_no_registry_and_no_machine(path: Path) -> None:
    hosts = ["py" + "pi.org", "pythonhosted" + ".org", "huggingface" + ".co/", "registry." + "npmjs"]
    hosts += ["download.py" + "torch"]
    homes = ["/" + "work/", "/" + "root/", "/" + "home/"]
    text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
    assert [word for word in hosts + homes if word in text] == []


def test_every_test_folder_mirrors_a_folder_of_sources() -> None:
    folders = {path.parts[1] for path in tracked() if path.parts[0] == "tests" and len(path.parts) > 2}
    assert folders <= {path.parts[0] for path in sources()}


def test_no_test_patches_what_it_tests() -> None:
    patch = re.compile(r"mock\.patch|MagicMock|monkeypatch\.setattr\(\s*headgate")
    tests = [path for path in tracked() if path.parts[0] == "tests" and path.name != "test_house.py"]
    assert [path for path in tests if path.suffix == ".py" and patch.search((ROOT / path).read_text())] == []
