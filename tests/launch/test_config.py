"""nodes.toml: what is read can be started, and a mistake is told with its line and its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorpar.launch.config import ConfigError, NodeConfig, read

FULL = """\
key = "nodes.key"
listen = ["tcp://10.0.0.1:7000"]
ssh = "ssh -p 2222"
down_after = 5

[[node]]
name = "alpha"
host = "me@10.0.0.2"
listen = ["tcp://10.0.0.2:7000"]
labels = ["fast", "near"]
device = "cuda:1"
folder = "/srv/app"
key = "/srv/keys/alpha"
command = "/srv/venv/bin/actorpar"

[[node]]
name = "beta"
listen = ["tcp://127.0.0.1:7001"]
"""


def told(folder: Path, text: str) -> str:
    """What is said about a file with this text."""
    path = folder / "nodes.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read(path)
    return str(refused.value).removeprefix(str(path))


def test_a_file_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    (tmp_path / "nodes.toml").write_text(FULL)
    config = read(tmp_path / "nodes.toml")
    assert (config.key, config.ssh, config.down_after) == (str(tmp_path / "nodes.key"), "ssh -p 2222", 5.0)
    assert config.listen == ["tcp://10.0.0.1:7000"]
    alpha, beta = config.node
    assert alpha == NodeConfig(
        name="alpha", host="me@10.0.0.2", listen=["tcp://10.0.0.2:7000"], labels=["fast", "near"],
        device="cuda:1", folder="/srv/app", key="/srv/keys/alpha", command="/srv/venv/bin/actorpar",
    )  # fmt: skip
    assert (beta.host, beta.labels, beta.command) == ("", [], "actorpar")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('ssh = "ssh -p 2222"', "ssh = 22", ", line 3: ssh: Expected `str`, got `int`"),
        ("down_after = 5", "down_after = 0", ", line 4: down_after: Expected `float` > 0.0"),
        ("down_after = 5", "down_later = 5", ", line 4: down_later: Object contains unknown field"),
        ('labels = ["fast", "near"]', 'labels = ["fast", 7]', ", line 10: node 1, labels: Expected `str`, got `int`"),
        ('name = "beta"', 'name = "be ta"', ", line 17: node 2, name: Expected `str` matching regex"),
        ('name = "beta"', "", ", line 16: node 2: Object missing required field `name`"),
        ('name = "beta"', 'name = "alpha"', ", line 17: node 2, name: another node is called alpha, too"),
        ('device = "cuda:1"', 'device = "gpu"', ", line 11: node 1, device: Expected `str` matching regex"),
        ('folder = "/srv/app"', 'floder = "/srv/app"', ", line 12: node 1, floder: Object contains unknown field"),
        ('listen = ["tcp://127.0.0.1:7001"]', "listen = []", ", line 18: node 2, listen: Expected `array` of length"),
        ("tcp://127.0.0.1:7001", "127.0.0.1:7001", ", line 18: node 2, listen: '127.0.0.1:7001' is no node address"),
        ("tcp://127.0.0.1:7001", "tcp://127.0.0.1:0", ", line 18: node 2, listen: tcp://127.0.0.1:0: a port that"),
        ("tcp://127.0.0.1:7001", "tcp://[::]:7001", ", line 18: node 2, listen: tcp://[::]:7001 is no address that"),
        ("tcp://10.0.0.2:7000", "unix:/tmp/alpha", ", line 9: node 1, listen: unix:/tmp/alpha cannot be reached from"),
        ('host = "me@10.0.0.2"', 'host = "-oProxyCommand=x"', ", line 8: node 1, host: '-oProxyCommand=x' is no host"),
        ('host = "me@10.0.0.2"', 'host = "a b"', ", line 8: node 1, host: 'a b' is no host"),
        ('ssh = "ssh -p 2222"', "ssh = \"ssh '\"", ', line 3: ssh: "ssh \'" is no command: No closing quotation'),
        ('"/srv/venv/bin/actorpar"', '" "', ", line 14: node 1, command: ' ' is no command: it is empty"),
        ('key = "nodes.key"', "", ", line 2: listen: tcp://10.0.0.1:7000 can be reached from other hosts: name a key"),
        ("[[node]]\nname = \"beta\"", "[[node]\nname = \"beta\"", ": Expected ']]' at the end of an array declaration"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_field(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FULL
    assert told(tmp_path, FULL.replace(old, new)).startswith(says)


def test_a_file_without_nodes_is_refused(tmp_path: Path) -> None:
    assert told(tmp_path, "") == ", line 1: Object missing required field `node`"
    assert told(tmp_path, "node = []").startswith(", line 1: node: Expected `array` of length")


def test_a_node_that_others_reach_needs_a_key_of_its_own_or_of_all(tmp_path: Path) -> None:
    text = '[[node]]\nname = "alpha"\nlisten = ["tcp://10.0.0.2:7000"]\n'
    assert "line 3: node 1, listen" in told(tmp_path, text)
    (tmp_path / "nodes.toml").write_text(text + 'key = "/srv/key"')
    assert read(tmp_path / "nodes.toml").node[0].key == "/srv/key"


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read(tmp_path / "absent.toml")
    (tmp_path / "nodes.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "nodes.toml")
