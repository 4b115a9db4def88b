"""`nodes.toml`: the nodes of several hosts that `actorpar run --config` starts and links.

    key = "nodes.key"                     # the controller's key file or folder of certificates
    listen = ["tcp://10.0.0.1:7000"]      # where the controller listens, if its nodes shall be able to dial it
    ssh = "ssh -o BatchMode=yes"          # how a command is run on another host
    down_after = 10.0                     # seconds of silence that end a node

    [[node]]
    name = "alpha"
    host = "me@10.0.0.2"                  # for ssh; without it the node is started on this host
    listen = ["tcp://10.0.0.2:7000"]      # where other nodes reach it, the controller at the first one
    labels = ["fast"]                     # for placement
    device = "cuda:0"                     # the device that it is for; it has the labels gpu and cuda then
    folder = "/srv/app"                   # where the program lies over there; by default where it lies here
    key = "/srv/keys/alpha"               # its key, over there; by default the same path as here
    command = "/srv/venv/bin/actorpar"    # actorpar, over there

Invariant: what is read is fit to be started. A mistake is told with its line and its field, before anything is started.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec

from ..channels.errors import ActorparError
from ..nodes import address as addresses
from ..nodes.errors import InvalidAddress
from ..nodes.protocol.handshake import NAME

_Name = Annotated[str, msgspec.Meta(pattern=f"^{NAME.pattern}$")]
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_PATH: Final = re.compile(r"(?P<text>.*?)(?: - at `\$(?:\.node\[(?P<number>\d+)\])?(?:\.(?P<field>\w+))?.*`)?", re.S)
_QUOTED: Final = re.compile(r"unknown field `(\w+)`")


class ConfigError(ActorparError):
    """`nodes.toml` cannot be used; the text names file, line and field."""


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One node, and how it is started."""

    name: _Name
    listen: Annotated[list[str], msgspec.Meta(min_length=1)]
    host: str = ""
    labels: list[_Text] = []
    device: Annotated[str, msgspec.Meta(pattern=r"^(cuda|opencl)(:\d+)?$")] | None = None
    folder: str = ""
    key: str = ""
    command: _Text = "actorpar"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All nodes, and what they have in common."""

    node: Annotated[list[NodeConfig], msgspec.Meta(min_length=1)]
    key: str = ""
    listen: list[str] = []
    ssh: _Text = "ssh -o BatchMode=yes"
    down_after: Annotated[float, msgspec.Meta(gt=0)] | None = None


def read(path: Path) -> Config:
    """What the file says, with the controller's key as a path from here. ConfigError."""
    text = ""
    try:
        text = path.read_text("utf-8")
        config = msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:  # its text ends with line and column
        raise ConfigError(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise _explained(path, text, str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    _check(path, text, config)
    key = str((path.parent / config.key).absolute()) if config.key else ""
    return msgspec.structs.replace(config, key=key)


def _explained(path: Path, text: str, told: str) -> ConfigError:
    found = _PATH.fullmatch(told)
    assert found is not None
    field = found["field"] or ""
    if not field and (unknown := _QUOTED.search(told)):
        field = unknown[1]
    number = None if found["number"] is None else int(found["number"])
    return _mistake(path, text, number, field, found["text"])


def _mistake(path: Path, text: str, number: int | None, field: str, what: str) -> ConfigError:
    where = ", ".join(filter(None, ["" if number is None else f"node {number + 1}", field]))
    return ConfigError(f"{path}, line {_line(text, number, field)}: {where}{': ' if where else ''}{what}")


def _line(text: str, number: int | None, field: str) -> int:
    """The line of a field at the top (None) or of a node; that of the table where the field is not found."""
    table = -1
    best = 1
    for count, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[\[\s*node\s*\]\]", line):
            table += 1
            if table == number:
                best = count
        elif table == (-1 if number is None else number) and field and re.match(rf"\s*[\"']?{field}[\"']?\s*=", line):
            return count
    return best


def _check(path: Path, text: str, config: Config) -> None:
    """What a type does not say."""
    _check_words(path, text, None, "ssh", config.ssh)
    for where in config.listen:
        _check_listen(path, text, None, where, config.key)
    names: set[str] = set()
    for number, node in enumerate(config.node):
        if node.name in names:
            raise _mistake(path, text, number, "name", f"another node is called {node.name}, too")
        names.add(node.name)
        if node.host.startswith("-") or len(node.host.split()) > 1:  # ssh would take it for an option
            raise _mistake(path, text, number, "host", f"{node.host!r} is no host")
        _check_words(path, text, number, "command", node.command)
        for where in node.listen:
            _check_listen(path, text, number, where, node.key or config.key)
            if node.host and where.startswith("unix:"):
                raise _mistake(path, text, number, "listen", f"{where} cannot be reached from other hosts")


def _check_words(path: Path, text: str, number: int | None, field: str, command: str) -> None:
    try:
        if shlex.split(command):
            return
        why = "it is empty"
    except ValueError as error:
        why = str(error)
    raise _mistake(path, text, number, field, f"{command!r} is no command: {why}")


def _check_listen(path: Path, text: str, number: int | None, where: str, key: str) -> None:
    try:
        address = addresses.parse(where)
    except InvalidAddress as error:
        raise _mistake(path, text, number, "listen", str(error)) from None
    if address.is_unix:
        return
    if not address.port and number is not None:
        raise _mistake(path, text, number, "listen", f"{where}: a port that others know is needed, not 0")
    if _is_any(address.host):
        raise _mistake(path, text, number, "listen", f"{where} is no address that others can reach")
    if not address.is_loopback and not key:
        raise _mistake(path, text, number, "listen", f"{where} can be reached from other hosts: name a key")


def _is_any(host: str) -> bool:
    """True for the addresses that stand for all of a host's: one can listen there, and not be reached there."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
