"""Which devices are found, what is said of those that are not, and which one a program gets."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actorpar.gpu import finding, looking
from actorpar.gpu.errors import NoDevice
from actorpar.gpu.finding import Findings, Found, available, choose
from tests.gpu.drivers import Driver, Libraries, platform

NO_DRIVER = "libcuda.so.1 not found: there is no NVIDIA driver, or this container was started without its GPUs"


def cuda(**environment: str) -> looking.Sight:
    return looking.cuda(environment)


# -- what a look sees, and each reason why it sees nothing


def test_the_devices_of_a_driver_are_told_in_its_order(libraries: Libraries) -> None:
    libraries.driver(Driver("NVIDIA H200", "NVIDIA L4"))
    libraries.pycuda()
    sight = cuda()
    assert sight["why"] is None
    assert sight["devices"] == [
        {"name": "NVIDIA H200", "memory": 11 << 33, "cpu": False},
        {"name": "NVIDIA L4", "memory": 12 << 33, "cpu": False},
    ]


def test_without_a_driver_it_says_so(libraries: Libraries) -> None:
    assert (cuda()["devices"], cuda()["why"]) == ([], NO_DRIVER)


def test_a_library_that_is_there_and_cannot_be_loaded_is_told_with_its_error(libraries: Libraries) -> None:
    libraries.driver(None, "libcuda.so.1: file too short")
    assert cuda()["why"] == "libcuda.so.1 cannot be loaded: libcuda.so.1: file too short"
    libraries.driver(object())
    assert str(cuda()["why"]).startswith("libcuda.so.1 is not that of an NVIDIA driver: ")


@pytest.mark.parametrize("driver", [Driver(code=100), Driver()])
def test_a_driver_without_a_device_names_the_variable_that_hides_it(libraries: Libraries, driver: Driver) -> None:
    libraries.driver(driver)
    assert cuda()["why"] == "there is an NVIDIA driver, and no device: see `nvidia-smi`"
    why = cuda(CUDA_VISIBLE_DEVICES="7")["why"]
    assert str(why).startswith("CUDA_VISIBLE_DEVICES is '7' and leaves no device: unset it, or name one")


@pytest.mark.parametrize(("code", "advice"), [(34, "stub"), (803, "reboot"), (804, "compatibility"), (999, "uvm")])
def test_a_driver_that_does_not_start_is_told_with_its_error_and_what_to_do(
    libraries: Libraries, code: int, advice: str
) -> None:
    libraries.driver(Driver(code=code))
    why = str(cuda()["why"])
    assert why.startswith(f"the driver does not start: error {code}, the text of the driver; ")
    assert advice in why
    libraries.driver(Driver(code=46))
    assert cuda()["why"] == "the driver does not start: error 46, the text of the driver"


def test_a_driver_that_is_too_old_is_told_with_both_versions(libraries: Libraries) -> None:
    libraries.driver(Driver("NVIDIA K80", version=9_020))
    assert cuda()["why"] == "the driver is too old: it is for CUDA 9.2, and 10.0 is needed"


def test_a_device_that_pycuda_cannot_use_is_seen_with_the_reason(libraries: Libraries) -> None:
    libraries.driver(Driver("NVIDIA H200", version=12_020))
    sight = cuda()
    assert [each["name"] for each in sight["devices"]] == ["NVIDIA H200"]
    assert str(sight["why"]).startswith("PyCUDA is not installed: pip install 'actorpar[cuda]' compiles it")
    libraries.pycuda()
    libraries.absent("numpy")
    assert cuda()["why"] == "PyCUDA needs numpy, and it is not installed: pip install numpy"
    libraries.broken_pycuda("_driver.so: undefined symbol: cuCtxCreate_v4")
    why = str(cuda()["why"])
    assert why.startswith("PyCUDA was built for a newer driver than this one, which is for CUDA 12.2 and has no cuCtx")
    libraries.broken_pycuda("libstdc++.so.6: version `GLIBCXX_3.4.29' not found")
    assert cuda()["why"] == "PyCUDA cannot be imported: ImportError: libstdc++.so.6: version `GLIBCXX_3.4.29' not found"


def test_without_pyopencl_it_says_how_to_install_it(libraries: Libraries) -> None:
    assert looking.opencl({})["why"] == "pyopencl is not installed: pip install 'actorpar[opencl]'"
    libraries.broken_pyopencl(RuntimeError("of another numpy"))
    assert looking.opencl({})["why"] == "pyopencl cannot be imported: RuntimeError: of another numpy"


def test_without_a_platform_it_says_where_one_comes_from(libraries: Libraries) -> None:
    libraries.pyopencl(error="clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")
    assert str(looking.opencl({})["why"]).startswith("pyopencl finds no platform: pip install 'pyopencl[pocl]' has one")
    libraries.pyopencl(error="clGetPlatformIDs failed: OUT_OF_HOST_MEMORY")
    assert looking.opencl({})["why"] == "pyopencl does not start: clGetPlatformIDs failed: OUT_OF_HOST_MEMORY"
    libraries.pyopencl(platform("Empty"))
    assert str(looking.opencl({})["why"]).startswith("no platform has a device (platforms: Empty): pip install")


def test_the_devices_of_opencl_are_counted_over_all_platforms(libraries: Libraries) -> None:
    libraries.pyopencl(platform("One", ("a", True)), platform("None"), platform("Two", ("b", False), ("c ", False)))
    sight = looking.opencl({})
    assert [(each["name"], each["cpu"]) for each in sight["devices"]] == [("a", True), ("b", False), ("c", False)]


# -- from another process


def test_a_look_from_another_process_loads_no_driver_into_this_one() -> None:
    program = (
        "import sys\nfrom actorpar.gpu.finding import available\nfound = available()\n"
        "maps = open('/proc/self/maps').read()\n"
        "print(len(found.devices) + len(found.missing) > 1)\n"
        "print([name for name in ('libcuda', 'libOpenCL', 'pocl') if name in maps])\n"
        "print({'pycuda', 'pyopencl', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split("\n")[:3], done.stderr) == (["True", "[]", "set()"], "")


def test_what_another_process_sees_is_put_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = {
        "cuda": {"devices": [{"name": "H200", "memory": 5, "cpu": False}], "why": "it is broken"},
        "opencl": {"devices": [{"name": "pthread", "memory": 7, "cpu": True}], "why": None},
    }
    as_if(monkeypatch, tmp_path, f"import json, sys\nprint(json.dumps(json.loads({json.dumps(seen)!r})[sys.argv[1]]))")
    found = available()
    assert found == Findings(
        devices=(Found("opencl", 0, "pthread", 7, cpu=True),),
        missing=("CUDA: it is broken",),
        unusable=(Found("cuda", 0, "H200", 5),),
    )
    assert (found.devices[0].spec, found.unusable[0].spec) == ("opencl:0", "cuda:0")
    assert available(("opencl",)).missing == ()


def as_if(patch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Have this program look for devices in the place of the real one."""
    path = folder / "look.py"
    path.write_text(program)
    patch.setattr(looking, "__file__", str(path))


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            "import os; os.kill(os.getpid(), 11)",
            "the process that looked for devices has ended, killed by SIGSEGV: it printed nothing",
        ),
        (
            "import sys; sys.exit('no memory')",
            "the process that looked for devices has ended, exit code 1: no memory",
        ),
        ("import signal; signal.pause()", "the driver has not answered for 0.5 s: look at the system's log, and"),
    ],
)
def test_a_driver_that_crashes_or_hangs_is_a_reason_and_takes_nobody_along(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, why: str
) -> None:
    as_if(monkeypatch, tmp_path, program)
    found = available(("cuda",), patience=0.5 if "pause" in program else 30)
    assert found.devices == ()
    assert found.missing[0].startswith(f"CUDA: {why}")


def test_what_is_installed_decides_and_nothing_beside_the_program() -> None:
    """By -S no package is installed."""
    command = [sys.executable, "-S", "-P", str(looking.__file__), "opencl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env={"PATH": os.defpath})
    assert json.loads(done.stdout) == {
        "devices": [],
        "why": "pyopencl is not installed: pip install 'actorpar[opencl]'",
    }


def test_pocl_is_a_device_of_opencl_and_a_cpu() -> None:
    pytest.importorskip("pyopencl")
    found = available(("opencl",))
    assert found.missing == ()
    assert found.devices[0].spec == "opencl:0"
    assert found.devices[0].memory > 0
    if found.devices[0].name.startswith("pthread"):
        assert found.devices[0].cpu
    assert choose("opencl") == found.devices[0]


# -- which one a program gets


@pytest.fixture
def both(libraries: Libraries) -> Libraries:
    libraries.driver(Driver("H200", "L4"))
    libraries.pycuda()
    libraries.pyopencl(platform("One", ("a", True), ("b", False)))
    return libraries


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [
        ("cuda:0", "H200"),
        ("cuda:1", "L4"),
        ("cuda", "H200"),
        ("opencl:1", "b"),
        ("opencl", "a"),
        ("auto", "H200"),
        (None, "H200"),
    ],
)
def test_a_device_is_chosen_by_its_kind_and_place(both: Libraries, spec: str | None, chosen: str) -> None:
    assert choose(spec).name == chosen


def test_the_variable_chooses_where_the_program_does_not(both: Libraries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTORPAR_DEVICE", "opencl:1")
    assert choose().name == "b"
    assert choose("cuda:1").name == "L4"
    monkeypatch.setenv("ACTORPAR_DEVICE", "cuda:2")
    with pytest.raises(NoDevice) as refused:
        choose()
    assert str(refused.value) == (
        "there is no cuda:2 (ACTORPAR_DEVICE asks for it): there are cuda:0 (H200), cuda:1 (L4)"
    )


def test_a_device_that_is_hidden_is_told_with_the_variable_that_hides_it(
    both: Libraries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-8932f937")
    with pytest.raises(NoDevice, match=r"cuda:1 \(L4\); CUDA_VISIBLE_DEVICES is '4,GPU-8932f937'$"):
        choose("cuda:2")


@pytest.mark.parametrize("spec", ["gpu", "cuda:", "cuda:-1", "cuda:0,cuda:1", "CUDA:0", ""])
def test_what_is_no_device_is_refused(both: Libraries, spec: str) -> None:
    with pytest.raises(NoDevice, match="is no device: write cuda:0, opencl:0, cuda, opencl or auto"):
        choose(spec)


def test_dv10_auto_takes_opencl_only_without_cuda_and_tells_it_once(
    libraries: Libraries, caplog: pytest.LogCaptureFixture
) -> None:
    libraries.pyopencl(platform("One", ("a", True), ("b", False)))
    caplog.set_level(logging.INFO, "actorpar.gpu")
    assert [choose().name, choose("auto").name] == ["b", "b"]
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("INFO", f"auto: opencl:1, b (CUDA: {NO_DRIVER})")
    ]


def test_dv10_auto_takes_a_cpu_last_and_warns_of_it(libraries: Libraries, caplog: pytest.LogCaptureFixture) -> None:
    libraries.pyopencl(platform("One", ("a", True)))
    assert choose().name == "a"
    assert caplog.messages == [f"auto: opencl:0, a, which is the CPU (CUDA: {NO_DRIVER})"]


def test_dv10_auto_does_not_pass_over_a_device_that_only_lacks_its_package(both: Libraries) -> None:
    both.absent("pycuda")
    with pytest.raises(NoDevice) as refused:
        choose()
    assert str(refused.value).startswith("H200 cannot be used. CUDA: PyCUDA is not installed: ")
    assert str(refused.value).endswith("; or ask for opencl:0 by name")
    assert choose("opencl:0").name == "a"


def test_without_any_device_all_reasons_are_told(libraries: Libraries) -> None:
    with pytest.raises(NoDevice) as refused:
        choose()
    assert str(refused.value) == (
        f"CUDA: {NO_DRIVER}; OpenCL: pyopencl is not installed: pip install 'actorpar[opencl]'"
    )
    with pytest.raises(NoDevice, match=r"^there is no cuda: CUDA: libcuda\.so\.1 not found"):
        choose("cuda")


def test_finding_is_light_to_import() -> None:
    program = (
        "import sys, actorpar.gpu.finding, actorpar.gpu.figures, actorpar.gpu.ending\n"
        "print({'numpy', 'pyopencl', 'pycuda', 'multiprocessing', 'msgspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_every_kind_has_a_look_and_a_name() -> None:
    kinds: Any = finding.KINDS
    assert set(kinds) == set(looking.LOOKS) == set(finding.NAMES)
