"""A small public set of our own, served on this machine; no test reaches a network."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from smoothlab.data.registry.index import PublicFile, PublicSet

CONTENT = b"width,height,shape\n1,2,flat\n2,1,tall\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every request to a port where nobody listens, except those to this machine; a cache of the test's own."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("SMOOTHLAB_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SMOOTHLAB_DATA_MIRROR", raising=False)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder that the server shows, with shapes.csv in it."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "shapes.csv").write_bytes(CONTENT)
    return folder


@pytest.fixture
def shapes(served: Path) -> Iterator[PublicSet]:
    """A set of one file, at an address of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}/shapes.csv"
    yield make_set(address)
    server.shutdown()
    server.server_close()
    thread.join()


def make_set(address: str) -> PublicSet:
    """The set ``shapes``, with its file at ``address``."""
    file = PublicFile("shapes.csv", address, len(CONTENT), SHA256)
    return PublicSet("shapes", "Shapes", "retail", "2 rows", "retail/shapes", (file,), "CC0", "open", "us", "table", "")
