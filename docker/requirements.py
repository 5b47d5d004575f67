"""Print what pyproject.toml asks for, a line each: docker/requirements.py [extra ...]. A layer then needs no source."""

import sys
import tomllib
from pathlib import Path


def requirements(extras: list[str], project: Path = Path("pyproject.toml")) -> list[str]:
    """The requirements of the project and of some of its extras.

    Args:
        extras: their names.
        project: the file that lists them.

    Raises:
        SystemExit: there is no such extra.
    """
    listed = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    known = listed["optional-dependencies"]
    for extra in extras:
        if extra not in known:
            raise SystemExit(f"{extra}: no such extra; extras: {', '.join(known)}")
    return [*listed["dependencies"], *(one for extra in extras for one in known[extra])]


if __name__ == "__main__":
    print("\n".join(requirements([word for text in sys.argv[1:] for word in text.replace(",", " ").split()])))
