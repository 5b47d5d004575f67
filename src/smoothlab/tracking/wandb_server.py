"""Whether a run goes to W&B's server: asked for, allowed, and answered within seconds; never a prompt."""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, get_args

from smoothlab.errors import InvalidArgument, UserMistake

Mode = Literal["auto", "online", "offline", "disabled"]
WrittenMode = Literal["online", "offline", "disabled"]
# What WANDB_MODE may say, with W&B's own other words for the first two.
OF_VARIABLE: dict[str, WrittenMode] = {
    "online": "online",
    "offline": "offline",
    "disabled": "disabled",
    "run": "online",
    "dryrun": "offline",
}
PROBE_SECONDS = 3.0  # for a first answer of the server
KEY_SECONDS = 5.0  # for its word on the key
LONG_SECRET = re.compile(r"[A-Za-z0-9_]{40,}")  # what a key looks like; an error's text may repeat one
log = logging.getLogger("smoothlab")


def choose_mode(mode: Mode) -> WrittenMode:
    """``online``, ``offline`` or ``disabled``, within ``PROBE_SECONDS + KEY_SECONDS``.

    WANDB_MODE wins over ``auto``; without it, ``auto`` is online where a key is known and the server answers
    and takes it; else a line of the log says why the run is offline.

    Raises:
        InvalidArgument: no such mode.
    """
    chosen = chosen_by_user(mode)
    if chosen is not None:
        return chosen
    try:
        if not has_key():
            return "offline"
        ask_server()
    except Exception as error:  # whatever is wrong with W&B's settings, the run itself is not in question
        log.warning("W&B: %s; the run is written offline", reason_of(error))
        return "offline"
    return "online"


def chosen_by_user(mode: Mode) -> WrittenMode | None:
    """What the option or WANDB_MODE says; None where both leave it open.

    Raises:
        InvalidArgument: no such mode.
        UserMistake: WANDB_MODE has no such value.
    """
    if mode not in get_args(Mode):
        raise InvalidArgument("mode", mode, f"one of {', '.join(get_args(Mode))}")
    variable = os.environ.get("WANDB_MODE")
    if variable and variable not in OF_VARIABLE:  # W&B itself reads it, whatever it is told
        raise UserMistake(f"WANDB_MODE = {variable!r}: expected one of {', '.join(OF_VARIABLE)}, or no such variable")
    if mode != "auto":
        return mode
    return OF_VARIABLE[variable] if variable else None


def check_online(mode: Mode) -> None:
    """Find out before a run begins that ``online`` cannot be: no key, no server, or a key that it refuses.

    Raises:
        UserMistake: one of these.
    """
    if chosen_by_user(mode) != "online":
        return
    try:
        if not has_key():
            raise LookupError("no key; `wandb login` or WANDB_API_KEY gives one")
        _ask_once(base_url(), os.environ.get("WANDB_API_KEY"))
    except Exception as error:
        raise online_mistake(reason_of(error)) from None


@lru_cache(maxsize=1)
def _ask_once(url: str, key: str | None) -> None:
    """Ask once for all runs of a sweep; what is raised is not kept."""
    ask_server()


def online_mistake(reason: str) -> UserMistake:
    """That ``online`` was asked for and cannot be."""
    return UserMistake(f"W&B: {reason}; mode = 'online': expected a key and a server that take the run")


def ask_server() -> None:
    """Return where the server answers and takes the key.

    Raises:
        OSError: it does not answer in time.
        Exception: whatever W&B says of the key.
    """
    url = base_url()
    if not within(PROBE_SECONDS, answers, url):
        raise TimeoutError(f"{url} did not answer within {PROBE_SECONDS:g} s")
    if within(KEY_SECONDS, verify_key) is None:
        raise TimeoutError(f"{url} did not say within {KEY_SECONDS:g} s whether it takes the key")


def base_url() -> str:
    """The server that W&B's settings name."""
    import wandb

    return str(wandb.setup().settings.base_url)  # a new Settings() does not read the environment


def has_key(verify: bool = False) -> bool:
    """Whether the environment, W&B's settings or .netrc have a key; ``verify`` raises if the server refuses it."""
    from wandb.sdk.lib import wbauth

    # Unlike wandb.login it asks a server only on request, and prints nothing.
    access = wbauth.authenticate_session(
        host=base_url(), source="smoothlab", prompt=False, verify=verify, update_session=False
    )
    return access is not None


def verify_key() -> bool:
    """True, where the server takes the key."""
    return has_key(verify=True)


def answers(url: str) -> bool:
    """Whether an HTTP server answers at ``url``; proxies of the environment are used, any status will do."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # noqa: S310 - the user's own server setting
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def within(seconds: float, ask: Callable[..., Any], *arguments: Any) -> Any:
    """What ``ask`` returns or raises; None where that takes longer.

    A time limit of a socket counts each read anew, and looking up a name knows none: so a thread, which is left behind.
    """
    outcome: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put((ask(*arguments), None))
        except Exception as error:  # raised again below
            outcome.put((None, error))

    threading.Thread(target=work, name="smoothlab-wandb", daemon=True).start()
    try:
        value, error = outcome.get(timeout=seconds)
    except queue.Empty:
        return None
    if error is not None:
        raise error
    return value


def reason_of(error: Exception) -> str:
    """The error's first line without a server's HTML page, and without a key, should an answer repeat it."""
    text = str(error).strip()
    line = re.split(r"<!|{|\\u003c", text.splitlines()[0])[0].rstrip(" :.") if text else type(error).__name__
    key = os.environ.get("WANDB_API_KEY")
    return LONG_SECRET.sub("***", line.replace(key, "***") if key else line)
