"""Who may import whom: each room stands on a floor, imports go down only, and no circle of modules is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
# From the lowest floor up. A room imports from the floors below it and from itself; docs/contributing.md draws it.
FLOORS = (
    ("errors", "version"),
    ("flat_keys", "numbers", "own_code", "packaged_files", "progress", "starters", "ties", "unpacking", "yaml_limits"),
    ("targets", "classes", "statistics", "processes", "rundir"),
    ("step", "soft_labels", "inverse_temperature"),
    ("learner", "kinds"),
    ("losses", "smoothing", "metrics", "data"),
    ("calibration", "nets", "rivals"),
    ("decoding", "inspection"),
    ("loops", "tasks", "tracking", "reports"),
    ("config",),
    ("scoring",),
    ("models",),
    ("training",),
    ("export", "sweeps"),
    ("comparing",),
    ("commands",),
    ("api",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def modules() -> dict[str, Path]:
    paths = {}
    for path in SOURCE.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        paths[name.removesuffix(".__init__")] = path
    return paths


def imports_of(path: Path, known: dict[str, Path]) -> set[str]:
    """Our modules that a file imports anywhere: at its top, within functions, for types."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            imported |= {name if name in known else node.module for name in names}
    return imported & set(known)


def room_of(module: str) -> str:
    return (*module.split("."), "")[1]


KNOWN = modules()
GRAPH = {module: imports_of(path, KNOWN) for module, path in KNOWN.items()}


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in KNOWN if module.startswith("smoothlab.")}
    assert rooms - {"__main__"} == set(FLOOR)


def test_no_import_goes_up():
    upward = [
        f"{module} -> {imported}"
        for module, all_imported in GRAPH.items()
        for imported in all_imported
        if room_of(module) in FLOOR
        and room_of(imported) in FLOOR
        and room_of(module) != room_of(imported)
        and FLOOR[room_of(imported)] >= FLOOR[room_of(module)]
    ]
    assert not upward


def circles() -> list[list[str]]:
    """Sets of modules that import one another, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found_circles: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in GRAPH[module]:
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            place = stack.index(module)
            if len(stack) - place > 1:
                found_circles.append(sorted(stack[place:]))
            del stack[place:]

    for module in GRAPH:
        if module not in index:
            visit(module)
    return found_circles


def test_no_modules_import_one_another():
    assert not circles()


TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in KNOWN.items()}
MOST_ARGUMENTS = {"smoothlab.tasks.task.Task": 16}  # keyword slots: each part of a task can be exchanged; else 12
SAY_NOTHING = {"one", "told", "said", "it", "them", "thing", "things"}  # names that say of a thing that it is a thing
SAY_WHAT_HAPPENED = {"found", "kept"}  # as variables: they say what was done to a thing, and not what it is


def test_a_constructor_has_at_most_twelve_arguments():
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
                fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
                frozen = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
                count = len(fields) if frozen else 0
                for function in made:
                    given = function.args
                    count = len([*given.posonlyargs, *given.args, *given.kwonlyargs]) - 1
                assert count <= MOST_ARGUMENTS.get(f"{module}.{node.name}", 12), f"{module}.{node.name}: {count}"


def test_a_function_has_at_most_sixty_lines_below_its_docstring():
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = node.body[0] if ast.get_docstring(node) is not None else None
                documented = text.end_lineno - text.lineno + 1 if text else 0
                assert node.end_lineno - node.lineno + 1 - documented <= 60, f"{module}.{node.name}"


def files_of_names() -> Iterator[tuple[str, ast.Module]]:
    """The source, and what stands beside it: tests, benchmarks, examples, scripts."""
    yield from TREES.items()
    for folder in ("tests", "benchmarks", "examples", "scripts", "docs"):
        for path in (ROOT / folder).rglob("*.py"):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def vague_names(tree: ast.Module) -> Iterator[str]:
    """Names and their lines; the attributes ``found`` and ``kept`` are what a learner calls its state."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler):
            name = node.name or ""
        elif isinstance(node, ast.Attribute):
            name = "" if node.attr in SAY_WHAT_HAPPENED else node.attr
        else:
            continue
        if name.strip("_") in SAY_NOTHING | SAY_WHAT_HAPPENED:
            yield f"line {node.lineno}: {name}"


def test_a_name_says_what_the_thing_is_and_not_what_happened_to_it():
    vague = {file: names for file, tree in files_of_names() if (names := list(vague_names(tree)))}
    assert not vague


def test_the_search_for_vague_names_sees_each_kind():
    for line in (
        "told = 1",
        "def f(one): ...",
        "def said(): ...",
        "x.it",
        "class thing: ...",
        "lambda found: 0",
        "kept: int",
    ):
        assert list(vague_names(ast.parse(line))), line
    assert not list(vague_names(ast.parse("learner.kept")))
