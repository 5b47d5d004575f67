"""Pages of the site that are no files of docs/: notebooks, the reference, and what docs/ links to elsewhere.

MkDocs calls the functions here (`hooks` of mkdocs.yml, `make site`). Links of docs/ stay as they work on a code host:
one that leads out of docs/ becomes a link to a page with the file's text.
"""

from __future__ import annotations

import ast
import json
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
LANGUAGES = {".py": "python", ".sh": "bash", ".yaml": "yaml"}
ROOMS = ("smoothing", "losses", "metrics", "calibration", "loops", "nets", "data")  # of the reference
ABOUT = {
    "smoothing": "Strengths, priors, and the smoother that joins them.",
    "losses": "What is taken of logits and a soft target, and penalties beside it.",
    "metrics": "How good, and how well calibrated, probabilities are.",
    "calibration": "Maps of logits fitted after training, decisions and sets.",
    "loops": "Smoothing in training loops of your own.",
    "nets": "Small reference nets.",
    "data": "Tables, arrays, images, texts, sentences and made-up rows as data modules.",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    for uri, text in (*_linked(), *_reference()):
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between files of the repository into links between pages."""
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation", "toc"]
    return _relinked(markdown, _repository_path(page.file.src_uri), page.file.src_uri)


def on_page_content(html: str, **_: Any) -> str:
    """Leave out the roles of names in docstrings, which Markdown does not know."""
    return re.sub(r":(?:class|func|meth|mod|attr|data):(?=<code>)", "", html).replace("<code>~", "<code>")


def _linked() -> Iterator[tuple[str, str]]:
    """Pages for the notebooks, for what they and docs/ link to outside of docs/, and for what those pages link to."""
    ahead = [f"{DOCS}/{path.name}" for path in sorted((ROOT / DOCS).glob("*.md"))]
    ahead += [f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    seen = set(ahead)
    while ahead:
        path = ahead.pop()
        text = _text_of(path)
        if not path.startswith(f"{DOCS}/"):
            yield _uri(path), text
        if path.endswith((".md", ".ipynb")):
            targets = {_target(path, link) for _, link, _ in LINK.findall(text)} - seen - {None}
            seen |= targets
            ahead += sorted(filter(None, targets))


def _target(path: str, link: str) -> str | None:
    """The file or folder of the repository that a link of a page names; None where it is none."""
    if re.match(r"\w+:", link):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return target if (ROOT / target).exists() else None


def _text_of(path: str) -> str:
    """A file as the text of a page: a notebook as its words and its code, a folder as the files in it."""
    place = ROOT / path
    if place.is_dir():
        parts = [_code(f"{path}/{inner.name}") for inner in sorted(place.iterdir()) if inner.suffix in LANGUAGES]
        return "\n\n".join([f"# {path}", *(f"## {part}" for part in parts)])
    if path.endswith(".ipynb"):
        cells = json.loads(place.read_text(encoding="utf-8"))["cells"]
        texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
        parts = [text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in texts]
        return "\n\n".join([*parts, f"The notebook: `{path}`."])
    return place.read_text(encoding="utf-8") if path.endswith(".md") else f"# {_code(path)}"


def _code(path: str) -> str:
    text = (ROOT / path).read_text(encoding="utf-8").rstrip()
    return f"{path}\n\n````{LANGUAGES.get(Path(path).suffix, 'text')}\n{text}\n````"


def _uri(path: str) -> str:
    """Where on the site a file of the repository is a page."""
    if path.startswith(f"{DOCS}/"):
        return path.removeprefix(f"{DOCS}/")
    if path.endswith(".ipynb"):
        return f"{path.removesuffix('.ipynb')}.md"
    return f"repository/{path}" if path.endswith(".md") else f"repository/{path}.md"


def _repository_path(uri: str) -> str:
    """The inverse: the file that a page is made of."""
    if uri.startswith("notebooks/"):
        return f"{uri.removesuffix('.md')}.ipynb"
    if not uri.startswith("repository/"):
        return f"{DOCS}/{uri}"
    path = uri.removeprefix("repository/")
    return path if (ROOT / path).exists() else path.removesuffix(".md")


def _relinked(markdown: str, path: str, uri: str) -> str:
    """The text of a page with its links between files of the repository as links between pages."""

    def exchanged(match: re.Match[str]) -> str:
        words, link, anchor = match.groups()
        target = _target(path, link)
        if target is None or (target.startswith(f"{DOCS}/") and not target.endswith(".md")):
            return match.group(0)
        return f"[{words}]({os.path.relpath(_uri(target), os.path.dirname(uri) or '.')}{anchor or ''})"

    return LINK.sub(exchanged, markdown)


def _reference() -> Iterator[tuple[str, str]]:
    """Pages of the reference, from docstrings: what `smoothlab` itself exports, and each room of the library."""
    homes = _literal(ROOT / "src/smoothlab/__init__.py", "_HOME")
    own = [f"::: {home}.{name}" for name, home in sorted(homes.items(), key=lambda pair: pair[0].lower())]
    intro = "What `import smoothlab` gives. [Guide](../python.md)."
    yield "reference/smoothlab.md", "\n\n".join(["# smoothlab", intro, *own])
    for room in ROOMS:
        names = sorted(_literal(ROOT / f"src/smoothlab/{room}/__init__.py", "__all__"), key=str.lower)
        parts = [f"::: smoothlab.{room}.{name}" for name in names]
        yield f"reference/{room}.md", "\n\n".join([f"# smoothlab.{room}", ABOUT[room], *parts])


def _literal(path: Path, name: str) -> Any:
    """The value that a module gives a name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            return ast.literal_eval(node.value)
    raise LookupError(f"{path}: no {name}")
