"""The manifests of docs/deploy: they are valid, and what they start links and works; here over loopback.

There is no container: each command line is taken as it stands, run by itself, and only what a container would provide
is put in its place: addresses, the mounted key, the environment of a pod.
"""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from actorpar.nodes.security import authority, keys

FOLDER = Path(__file__).resolve().parents[2] / "docs/deploy"
PORT = "7000"
#: Seconds after which a process that is waited for is killed.
LIMIT = 60.0


@dataclass
class Container:
    """What a manifest starts: the words of its command, its environment, and where its key is mounted."""

    name: str
    words: list[str]
    probes: list[list[str]]
    key: str
    environment: dict[str, str] = field(default_factory=dict)

    def option(self, name: str) -> str:
        return self.words[self.words.index(f"--{name}") + 1]


def entrypoint() -> list[str]:
    """What the image starts, before the words of a manifest."""
    (found,) = re.findall(r"^ENTRYPOINT (.*)$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def compose() -> list[Container]:
    told = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return [
        Container(
            service["hostname"], [*entrypoint(), *service["command"]], [service["healthcheck"]["test"][1:]],
            f"/run/secrets/{service['secrets'][0]}", dict(service["environment"]),
        )
        for service in told["services"].values()
    ]  # fmt: skip


def resources() -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))


def stateful_sets() -> list[Any]:
    return [each for each in resources() if each["kind"] == "StatefulSet"]


def kubernetes() -> list[Container]:
    return [pod(each, number) for each in stateful_sets() for number in range(each["spec"]["replicas"])]


def pod(stateful_set: Any, number: int) -> Container:
    """One pod of a stateful set; its own address is left for the test to give."""
    (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
    provided = {"metadata.name": f"{stateful_set['metadata']['name']}-{number}", "status.podIP": "10.0.0.9"}
    environment = {
        each["name"]: each["value"] if "value" in each else provided[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in container["env"]
    }
    words = [re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], word) for word in container["args"]]
    probes = [container[probe]["exec"]["command"] for probe in ("startupProbe", "livenessProbe")]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    key = f"{mounted['key']}/actorpar.key"  # as the secret is made, at the top of the manifest
    return Container(provided["metadata.name"], [*entrypoint(), *words], probes, key, environment)


MANIFESTS = {"compose": compose, "kubernetes": kubernetes}


# -- what they say


def checked(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifest_of_kubernetes_is_what_its_schemas_say() -> None:
    checked("kubernetes_validate", "--strict", str(FOLDER / "kubernetes.yaml"))


def test_the_compose_file_is_what_its_schema_says() -> None:
    checked("check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FOLDER / "compose.yaml"))


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_all_nodes_join_a_controller_that_listens_at_its_name(manifest: str) -> None:
    controller, *nodes = MANIFESTS[manifest]()
    assert [node.words[1] for node in (controller, *nodes)] == ["run", "node", "node", "node"]
    assert int(controller.environment["NODES"]) == len(nodes) == 3
    services = {each["metadata"]["name"]: each["spec"] for each in resources() if each["kind"] == "Service"}
    for node in nodes:
        (host, port) = node.option("join").removeprefix("tcp://").split(":")
        assert port == PORT == controller.option("listen").rpartition(":")[2]
        if manifest == "compose":
            assert host == controller.name
        else:
            assert [each["port"] for each in services[host]["ports"]] == [int(PORT)]
    assert {node.option("key") for node in (controller, *nodes)} == {controller.key}
    assert len({node.option("name") for node in (controller, *nodes)}) == 4


def test_the_services_of_kubernetes_select_the_pods_that_they_are_for() -> None:
    for each in stateful_sets():
        (service,) = [
            r for r in resources() if r["kind"] == "Service" and each["spec"]["serviceName"] == r["metadata"]["name"]
        ]
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"] == each["spec"]["selector"]["matchLabels"] == labels


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to root")
def test_a_secret_as_kubernetes_mounts_it_is_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to root, the group of the process may read it, and it is reached by two symbolic links."""
    for each in stateful_sets():
        spec = each["spec"]["template"]["spec"]
        (mode,) = [volume["secret"]["defaultMode"] for volume in spec["volumes"] if "secret" in volume]
        mount = tmp_path / each["metadata"]["name"]
        (mount / "..2026").mkdir(parents=True)
        keys.new(mount / "..2026/actorpar.key")
        (mount / "..2026/actorpar.key").chmod(mode)
        (mount / "..data").symlink_to("..2026")
        (mount / "actorpar.key").symlink_to("..data/actorpar.key")
        assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"]
        monkeypatch.setattr(os, "getuid", lambda spec=spec: spec["securityContext"]["runAsUser"])
        assert len(keys.read_key(mount / "actorpar.key")) == keys.SIZE


# -- what they start


@contextmanager
def started(container: Container, folder: Path, key: Path, join: str) -> Iterator[subprocess.Popen[str]]:
    """The container's process; the stack ends it as its keeper would."""
    program, words = container.words[0], list(container.words[1:])
    assert program == "actorpar"
    given = {"listen": "tcp://127.0.0.1:0", "key": str(key), "join": join}
    for name in given:
        if f"--{name}" in words:
            words[words.index(f"--{name}") + 1] = given[name]
    process = subprocess.Popen(
        [sys.executable, "-m", program, *words], cwd=FOLDER, env=environment_of(container, folder),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(LIMIT, process.kill)  # whoever waits for a word of it then reads its last
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def environment_of(container: Container, folder: Path) -> dict[str, str]:
    """Each has a folder of its own for its control socket, as each has a /tmp of its own in its container."""
    runtime = folder / container.name
    runtime.mkdir(exist_ok=True)
    return {**os.environ, **container.environment, "XDG_RUNTIME_DIR": str(runtime), "PYTHONUNBUFFERED": "1"}


def line_of(process: subprocess.Popen[str], has: str) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        if has in line:
            return line
        said.append(line)
    raise AssertionError(f"it has not said {has!r}: {said}")


def keys_for(names: list[str], folder: Path) -> dict[str, Path]:
    """The key that all share; where this Python cannot use one, a certificate for each."""
    if getattr(ssl, "HAS_PSK", False):
        keys.new(folder / "actorpar.key")
        return dict.fromkeys(names, folder / "actorpar.key")
    return dict(zip(names, authority.make(folder / "ca", names), strict=True))


def probed(probe: list[str], container: Container, folder: Path) -> list[tuple[str, str, str]]:
    """The name, state and link of each node, as the probe of a container sees them."""
    done = subprocess.run(
        [sys.executable, "-m", *probe], env=environment_of(container, folder), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(row["name"], row["state"], row["link"]) for row in json.loads(done.stdout)["nodes"]]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_three_nodes_come_up_link_and_work_and_end_in_order(manifest: str, tmp_path: Path) -> None:
    controller, *nodes = MANIFESTS[manifest]()
    key_of = keys_for([each.option("name") for each in (controller, *nodes)], tmp_path)
    with ExitStack() as stack:
        running: dict[str, subprocess.Popen[str]] = {}

        def start(each: Container, join: str = "") -> subprocess.Popen[str]:
            own = stack.enter_context(started(each, tmp_path, key_of[each.option("name")], join))
            running[each.name] = own
            return own

        first = start(controller)
        where = line_of(first, " listens at ").rpartition(" at ")[2].strip()
        for node in nodes:
            start(node, where)
        for node in nodes:
            line_of(first, f"squared on {node.option('name')} is")
        names = {each.option("name") for each in (controller, *nodes)}
        for each in (controller, *nodes):
            for probe in each.probes:
                seen = probed(probe, each, tmp_path)
                assert {name for name, _, _ in seen} == names
                assert {(state, link) for _, state, link in seen[1:]} == {("up", "tls")}
        for each in (*nodes, controller):
            running[each.name].send_signal(signal.SIGTERM)
            said, _ = running[each.name].communicate(timeout=30)
            assert running[each.name].returncode == 143, said
            assert "Traceback" not in said


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_node_that_is_started_anew_takes_up_its_work_again(manifest: str, tmp_path: Path) -> None:
    """Its keeper kills it and starts it once more, under its old name."""
    controller, node, *_ = MANIFESTS[manifest]()
    controller.environment["NODES"] = "1"
    name = node.option("name")
    key_of = keys_for([controller.option("name"), name], tmp_path)
    with ExitStack() as stack:
        first = stack.enter_context(started(controller, tmp_path, key_of[controller.option("name")], ""))
        where = line_of(first, " listens at ").rpartition(" at ")[2].strip()
        with started(node, tmp_path, key_of[name], where):
            line_of(first, f"squared on {name} is")
        again = stack.enter_context(started(node, tmp_path, key_of[name], where))
        line_of(again, "squaring ")
