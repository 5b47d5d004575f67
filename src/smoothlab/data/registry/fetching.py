"""Files of public sets: from a mirror, from the cache, or from their address; only with the right sha256."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from smoothlab.data.registry.index import PublicFile, PublicSet, find_set
from smoothlab.errors import UserMistake

MIRROR, CACHE = "SMOOTHLAB_DATA_MIRROR", "SMOOTHLAB_DATA_CACHE"
TIMEOUT = (5.0, 60.0)  # seconds to connect, and between two pieces
_TOLD: set[str] = set()  # sets whose terms this process has said


@dataclass(frozen=True)
class Fetched:
    """Where the files of a set are, and how they came there: ``bundled``, ``mirror``, ``cache`` or ``network``."""

    paths: dict[str, Path]
    came_from: str


def fetch(name: str) -> dict[str, Path]:
    """The files of a public set by name, fetched where they are not here yet, each with the right sha256.

    A mirror is looked at first, a folder laid out as the index says (``<folder>/<file>``), named by
    SMOOTHLAB_DATA_MIRROR; then the cache, SMOOTHLAB_DATA_CACHE or the platform's own; then the network. A wrong file is
    never used: in the cache it is put aside, in a mirror it is left. Terms that are not open are said once, on standard
    error.

    Raises:
        UserMistake: no such set, or no right copy of a file.
    """
    entry = find_set(name)
    paths = fetch_set(entry).paths
    if entry.warning and entry.name not in _TOLD:
        _TOLD.add(entry.name)
        _say(entry.warning)
    return paths


def fetch_set(entry: PublicSet) -> Fetched:
    """The files of a set, and where the last of them came from.

    Raises:
        UserMistake: no right copy of a file.
    """
    files = {file.name: _find(entry, file) for file in entry.files}
    ways = [way for _, way in files.values()]
    came_from = next((way for way in ("network", "cache", "mirror") if way in ways), "bundled")
    return Fetched({name: path for name, (path, _) in files.items()}, came_from)


def place_of(entry: PublicSet) -> str:
    """Where the files would be read from now, by their size alone: bundled, mirror, cache, or empty for nowhere."""
    if entry.bundled:
        return "bundled"
    folders = {"mirror": mirror_folder(), "cache": cache_folder()}
    for word, folder in folders.items():
        if folder is not None and all(_has_size(folder / entry.folder / file.name, file.bytes) for file in entry.files):
            return word
    return ""


def cache_folder() -> Path:
    """SMOOTHLAB_DATA_CACHE, or the platform's folder for caches."""
    import pooch

    named = os.environ.get(CACHE)
    return Path(named).expanduser() if named else Path(pooch.os_cache("smoothlab"))


def mirror_folder() -> Path | None:
    """SMOOTHLAB_DATA_MIRROR, if it is set.

    Raises:
        UserMistake: it is set, and no folder.
    """
    named = os.environ.get(MIRROR)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise UserMistake(f"{MIRROR} = {named!r}: no such folder")
    return folder


def _find(entry: PublicSet, file: PublicFile) -> tuple[Path, str]:
    refused: list[str] = []
    mirror = mirror_folder()
    if mirror is not None:
        path = mirror / entry.folder / file.name
        if not path.is_file():
            refused.append(f"not in the mirror as {path}")
        elif (wrong := _wrong(path, file)) is None:
            return path, "mirror"
        else:
            refused.append(f"{path} {wrong}, not used")
            _say(f"{entry.name}: {refused[-1]}")
    path = cache_folder() / entry.folder / file.name
    if path.is_file():
        wrong = _wrong(path, file)
        if wrong is None:
            return path, "cache"
        _say(f"{entry.name}: {path} {wrong}, kept aside as {_put_aside(path).name}")
    _download(entry, file, path, refused)
    return path, "network"


def _download(entry: PublicSet, file: PublicFile, path: Path, refused: list[str]) -> None:
    """Fetch into a name of this process's own, check, and only then rename."""
    import pooch

    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise UserMistake(
            f"{entry.name}: the cache {str(path.parent)!r} cannot be written ({error.strerror}); set {CACHE} to another"
        ) from None
    try:
        try:
            pooch.HTTPDownloader(timeout=TIMEOUT)(file.address, str(part), None)
        except Exception as error:  # requests and urllib3 raise many kinds, all of which mean: it did not come
            before = f" ({'; '.join(refused)})" if refused else ""
            raise UserMistake(
                f"{entry.name}: {file.name} is not here{before} and {file.address} did not answer ({_reason(error)}); "
                f"fetch it where there is a network with smoothlab data fetch {entry.name}, or set {MIRROR} to a "
                f"folder that has {entry.folder}/{file.name}"
            ) from None
        wrong = _wrong(part, file)
        if wrong is not None:
            aside = _put_aside(part, path)
            raise UserMistake(f"{entry.name}: {file.address} {wrong}; not used, kept aside as {aside}")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _wrong(path: Path, file: PublicFile) -> str | None:
    """What is wrong with a file, or nothing."""
    import pooch

    try:
        digest = pooch.file_hash(str(path), alg="sha256")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if digest == file.sha256:
        return None
    return (
        f"has the sha256 {digest[:12]}..., expected {file.sha256[:12]}... ({path.stat().st_size} of {file.bytes} bytes)"
    )


def _put_aside(path: Path, name: Path | None = None) -> Path:
    """Rename a wrong file so that nothing reads it."""
    name = name or path
    aside = name.with_name(f"{name.name}.wrong")
    number = 1
    while aside.exists():
        number += 1
        aside = name.with_name(f"{name.name}.wrong_{number}")
    try:
        os.replace(path, aside)
    except OSError as error:
        raise UserMistake(f"{path}: has the wrong content and cannot be put aside ({error.strerror})") from None
    return aside


def _reason(error: Exception) -> str:
    """The innermost cause, in a few words: HTTP clients wrap it several times."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP status {status}"
    return type(error).__name__


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _say(line: str) -> None:
    print(f"smoothlab: {line}", file=sys.stderr)
