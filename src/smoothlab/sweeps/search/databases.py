"""A search's trials in a database that several machines reach: any URL that Optuna has a storage for."""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from collections.abc import Iterator
from typing import Any

from smoothlab.errors import RunFailed, UserMistake, reason_of
from smoothlab.sweeps.search.optional import load_optuna

KEY = "hydra.sweeper.storage"
EXTRA = "pip install 'smoothlab[databases]'"
# The driver of a URL that names none: those of the extra.
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
REDIS = ("redis", "rediss", "unix")
ATTEMPTS = 5  # to open a database in which several commands make the tables at once
ATTEMPT_SECONDS = 15  # for a connection


def is_url(storage: str) -> bool:
    """Whether a storage is a database's URL, not a file in the sweep's directory."""
    return "://" in storage


def refuse_password(written: str, key: str = KEY) -> None:
    """Refuse a password that would stand in the files of every run.

    Args:
        written: the URL as it was typed, before ``${oc.env:...}`` is looked up.
        key: under which it was typed.

    Raises:
        UserMistake: it holds one.
    """
    plain = re.sub(r"\$\{[^{}]*\}", "", written)
    user = re.match(r"[^/]+://([^/]*)@", plain)
    if (user is not None and user[1].partition(":")[2]) or re.search(r"[?&]password=[^&]", plain):
        raise UserMistake(
            f"{key}: holds a password, which files and logs would show; put the URL into an environment variable and "
            f"give '{key}=${{oc.env:SEARCH_STORAGE}}'"
        )


def shown(url: str) -> str:
    """A URL for messages, ``***`` in place of its password."""
    hidden = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", hidden)


def open_database(url: str, key: str = KEY) -> Any:
    """Optuna's storage at a URL; its tables are made where they are missing.

    Args:
        url: of the database.
        key: under which it was given.

    Raises:
        UserMistake: no such kind of database, no driver for it, or no answer.
    """
    kind, _, rest = url.partition("://")
    try:
        if kind in REDIS:
            return _redis(url)
        return _relational(f"{DRIVERS.get(kind, kind)}://{rest}", key)
    except ImportError as error:
        missing = reason_of(error.__cause__ or error)
        raise UserMistake(f"{key} = {shown(url)}: its driver is not installed ({missing}); {EXTRA}") from None
    except UserMistake:
        raise
    except Exception as error:  # each driver has errors of its own
        reason = reason_of(error.__cause__ or error)
        raise UserMistake(f"{key} = {shown(url)}: no answer ({_without_secrets(reason, url)})") from None


@contextlib.contextmanager
def answering(url: str) -> Iterator[None]:
    """Say in one line that a database does not answer any more.

    Raises:
        RunFailed: in place of what its driver and Optuna raise.
    """
    try:
        yield
    except _errors() as error:
        reason = _without_secrets(reason_of(error.__cause__ or error), url)
        raise RunFailed(f"{KEY} = {shown(url)}: no answer any more ({reason}); the same command goes on") from None


def _relational(url: str, key: str) -> Any:
    import sqlalchemy
    from optuna.storages import RDBStorage

    load_optuna()
    try:
        dialect = sqlalchemy.make_url(url).get_dialect().name
    except sqlalchemy.exc.NoSuchModuleError:
        raise UserMistake(
            f"{key} = {shown(url)}: expected postgresql://, mysql://, redis:// or sqlite:/// and what follows"
        ) from None
    connecting = {"timeout": 60} if dialect == "sqlite" else {"connect_timeout": ATTEMPT_SECONDS}
    if dialect not in ("sqlite", "postgresql", "mysql", "mariadb"):
        connecting = {}
    for attempt in range(ATTEMPTS):
        try:
            # a connection that was cut off meanwhile is made anew before it is used
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, "connect_args": connecting})
        except sqlalchemy.exc.DBAPIError as error:  # an empty database, in which another command makes the tables now
            if attempt == ATTEMPTS - 1 or not re.search("already exists|UNIQUE|[Dd]uplicate", str(error)):
                raise
            time.sleep(0.5)
    raise AssertionError("unreachable")


def _redis(url: str) -> Any:
    optuna = load_optuna()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalRedisBackend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalRedisBackend(url, prefix="smoothlab"))


def _errors() -> tuple[type[Exception], ...]:
    import sqlalchemy
    from optuna.exceptions import StorageInternalError

    errors: list[type[Exception]] = [StorageInternalError, sqlalchemy.exc.SQLAlchemyError]
    with contextlib.suppress(ImportError):
        import redis

        errors.append(redis.RedisError)
    return tuple(errors)


def _without_secrets(reason: str, url: str) -> str:
    """What a driver says, without the URL's password, should it repeat it."""
    password = re.match(r"[^/]+://[^:/@]*:(.+)@", url)
    return reason.replace(password[1], "***") if password else reason
