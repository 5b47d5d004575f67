"""Print what pyproject.toml asks for, a line each: docker/requirements.py [extra ...]. A layer then needs no source."""

import re
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
    lines = list(listed["dependencies"])
    waiting = list(extras)
    for extra in waiting:  # grows by the extras that an extra asks for
        for line in known[extra]:
            own = re.fullmatch(rf"{listed['name']}\[(.*)\]", line)
            if own is None:
                lines.append(line)
            else:
                waiting += [name for name in own[1].split(",") if name not in waiting]
    return list(dict.fromkeys(lines))


if __name__ == "__main__":
    print("\n".join(requirements([word for text in sys.argv[1:] for word in text.replace(",", " ").split()])))
