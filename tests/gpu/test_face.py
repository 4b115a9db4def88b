"""The face of `actorpar.gpu`: every name states its contract, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from actorpar import gpu


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", gpu.__all__)
def test_a_public_name_resolves_and_states_its_contract(name: str) -> None:
    value = getattr(gpu, name)
    assert value.__doc__, f"{name} has no docstring"
    members = vars(value).items() if inspect.isclass(value) else ()
    silent = [
        f"{name}.{member}"
        for member, attribute in members
        if not member.startswith("_")
        and (inspect.isfunction(attribute) or isinstance(attribute, property))
        and not inspect.getdoc(attribute)
    ]
    assert silent == [], "a public name without a docstring"


def test_the_lazy_table_and_type_checkers_know_the_same_names() -> None:
    assert set(gpu.__all__) <= set(dir(gpu))
    missing = "Devcie"
    with pytest.raises(AttributeError, match=missing):
        getattr(gpu, missing)


def test_importing_it_loads_no_library_of_devices_and_naming_an_actor_none_of_theirs() -> None:
    heavy = {"numpy", "pycuda", "pyopencl", "torch", "cupy"}
    found = python(f"import sys; from actorpar import gpu; gpu.done; print(sorted({heavy} & set(sys.modules)))")
    assert (found.stdout.strip(), found.stderr) == ("[]", "")
    found = python(f"import sys; from actorpar import gpu; gpu.GpuActor; print(sorted({heavy} & set(sys.modules)))")
    assert (found.stdout.strip(), found.stderr) == ("['numpy']", "")


def test_without_numpy_it_says_what_brings_it() -> None:
    found = python("import sys; sys.modules['numpy'] = None; from actorpar import gpu; gpu.GpuActor")
    assert "NoDevice: devices need numpy: pip install" in found.stderr
