"""What the environment server was told when it was started: docs/instance.md, and Fission's own knobs."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORT = "8888"
_DEFAULT_VOLUME = "/userfunc"
_DEFAULT_PING_S = "60"


class BadSetting(Exception):
    """A setting that cannot be used. The program prints it and exits with 2."""


@dataclass(frozen=True)
class Settings:
    socket_path: str | None
    port: int
    instance_id: str
    """`faas.instance`; empty outside Spoor's executor."""
    journal: str | None
    """Path of the journal to create; None: tracing is off."""
    internal_url: str | None
    control_fd: int | None
    code_path: str
    """What `POST /specialize` (v1) loads."""
    state_path: str
    """Where Fission's Python environment remembers what it was specialized with, for a container that starts again."""
    mark_output: bool
    """Whether lines that are in the journal are marked for who reads our output (docs/instance.md, "Output")."""
    websocket_ping_s: int


def read_settings(env, args):
    """`args` are those after the program's name: `--port N`, `--codepath PATH`. Raises BadSetting."""
    flags = _read_flags(args)
    volume = env.get("USERFUNCVOL") or _DEFAULT_VOLUME
    control_fd = env.get("SPOOR_CONTROL_FD")
    return Settings(
        socket_path=env.get("SPOOR_SOCKET") or None,
        port=_whole_number("--port", flags.get("port") or env.get("RUNTIME_PORT") or _DEFAULT_PORT, 65_535),
        instance_id=env.get("SPOOR_INSTANCE_ID", ""),
        journal=env.get("SPOOR_JOURNAL") or None,
        internal_url=_http_url("SPOOR_INTERNAL_URL", env),
        control_fd=_whole_number("SPOOR_CONTROL_FD", control_fd, 65_535) if control_fd else None,
        code_path=flags.get("codepath") or os.path.join(volume, "user"),
        state_path=os.path.join(volume, "state.json"),
        mark_output=env.get("SPOOR_OUTPUT_MARK") == "1",
        websocket_ping_s=_whole_number("TIMEOUT", env.get("TIMEOUT") or _DEFAULT_PING_S, 2**31 - 1),
    )


def hide_own_settings(env):
    """
    Takes what concerns this process alone out of the environment, so that a program which the function starts does not
    write into our journal or speak for us.
    """
    for name in ("SPOOR_SOCKET", "SPOOR_JOURNAL", "SPOOR_CONTROL_FD", "SPOOR_OUTPUT_MARK"):
        env.pop(name, None)


def _read_flags(args):
    flags = {}
    rest = list(args)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in ("--port", "--codepath"):
            raise BadSetting(f"cannot use the argument [{name}]: only --port and --codepath are known")
        if not equals:
            value = rest.pop(0) if rest else ""
        if not value:
            raise BadSetting(f"cannot use {name} without a value")
        flags[name[2:]] = value
    return flags


def _whole_number(name, text, most):
    if not text.isdecimal() or int(text) > most:
        raise BadSetting(f"cannot use {name} [{text}]: it must be a whole number from 0 to {most}")
    return int(text)


def _http_url(name, env):
    text = env.get(name)
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSetting(f"cannot use {name} [{text}]: it must be an http URL")
    return text.rstrip("/")
