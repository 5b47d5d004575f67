"""A PostgreSQL on the loopback interface, with a password."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

PASSWORD = "as3cret-w0rd"  # which no file of a search may hold
USER = "postgres"  # it refuses to run as root


def missing() -> str | None:
    """Why there is no PostgreSQL here, or None."""
    if os.geteuid() != 0:
        return "PostgreSQL is started as its own user, which needs root"
    if programs() is None:
        return "PostgreSQL needs the package postgresql (initdb not found)"
    if importlib.util.find_spec("psycopg") is None:
        return "PostgreSQL needs its driver: pip install 'smoothlab[databases]'"
    return None


def programs() -> Path | None:
    """The folder of its programs, of the newest version."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return programs[-1].parent if programs else None


class Postgres:
    """A server with an empty database ``search``; ``url`` has the password."""

    def __enter__(self) -> Postgres:
        bin_folder = programs()
        assert bin_folder is not None
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/search"
        password = self._folder / "password"
        password.write_text(PASSWORD)
        shutil.chown(self._folder, USER)
        shutil.chown(password, USER)
        data = str(self._folder / "data")
        self._as_user(bin_folder / "initdb", "-D", data, "--auth=scram-sha-256", f"--pwfile={password}")
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._folder}"
        self._stop = [bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
        self._as_user(bin_folder / "pg_ctl", "-D", data, "-w", "-l", str(self._folder / "log"), "-o", options, "start")
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        create = [bin_folder / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "search"]
        subprocess.run(create, check=True, capture_output=True, env=environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._as_user(*self._stop)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _as_user(self, *command: str | Path) -> None:
        words = ["runuser", "-u", USER, "--", *map(str, command)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder)
