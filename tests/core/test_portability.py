"""Other processors: each table against the oracle, AArch64 and an old x86-64 under emulation.

The driver is compiled with the options of CMakeLists.txt. Emulators and cross compiler are Debian's
qemu-user and g++-aarch64-linux-gnu.
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

import pytest

import deltarule as dr
from process_support import run

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "csrc" / "kernels"
OBJECTS = sorted(
    ROOT.glob("build/*/CMakeFiles/isa_*.dir/csrc/kernels/isa_*.o"), key=lambda o: o.stat().st_mtime
)
DEFINITIONS = {"x86_64": "DELTARULE_X86", "aarch64": "DELTARULE_NEON"}
MACHINE = platform.machine()

needs_objects = pytest.mark.skipif(
    not OBJECTS, reason="no objects of the core in build/: install from this checkout with pip"
)
x86_64 = pytest.mark.skipif(MACHINE != "x86_64", reason="emulates an old x86-64 for this Python")


def tool(name: str, package: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name} (Debian: {package})")
    return path


def compile_driver(compiler: str, machine: str, out: Path, *kernels: Path) -> Path:
    """Build the driver from the tables, sources or objects, with the options of a release."""
    text = (ROOT / "CMakeLists.txt").read_text()
    options = re.search(r"target_compile_options\(core_options INTERFACE\s+([^)]+)\)", text)
    assert options
    sources = (ROOT / "tests/core/portability/driver.cpp", ROOT / "csrc/runtime/subnormals.cpp")
    static = ["-static"] if machine != MACHINE else []  # the emulator has no libraries to load
    run(compiler, "-O3", "-std=c++20", *static, *options[1].split(), f"-D{DEFINITIONS[machine]}",
        *sources, KERNELS / "dispatch.cpp", *kernels, "-o", out)  # fmt: skip
    return out


@pytest.fixture(scope="module")
def host_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what the driver says of the objects that the package was linked from."""
    if MACHINE not in DEFINITIONS:
        pytest.skip(f"{MACHINE} has the oracle alone")
    newest = [o for o in OBJECTS if o.parents[4] == OBJECTS[-1].parents[4]]
    out = tmp_path_factory.mktemp("host") / "driver"
    return run(compile_driver(tool("g++", "g++"), MACHINE, out, *newest))


@pytest.fixture(scope="module")
def aarch64_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what the driver says on an emulated AArch64."""
    compiler = tool("aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu")
    emulator = tool("qemu-aarch64", "qemu-user")
    out = tmp_path_factory.mktemp("aarch64") / "driver"
    tables = [KERNELS / f"isa_{isa}.cpp" for isa in ("neon", "oracle")]
    return run(emulator, compile_driver(compiler, "aarch64", out, *tables))


def tables(report: str) -> list[str]:
    """Return the tables that the driver compared, of which none differed."""
    found = re.search(r"^tables (.+), \d+ calls, 0 differ", report, re.MULTILINE)
    assert found, report
    return found[1].split()


@needs_objects
def test_every_table_is_the_oracle(host_report: str) -> None:
    assert tables(host_report) == dr._load.core.isas()


def test_neon_is_the_oracle(aarch64_report: str) -> None:
    assert tables(aarch64_report) == ["neon", "oracle"]


@needs_objects
def test_two_architectures_agree(host_report: str, aarch64_report: str) -> None:
    assert host_report.split()[-1] == aarch64_report.split()[-1]


# A processor of 2008: SSE4.2, neither AVX nor FMA. NumPy 2 needs x86-64-v2, which it has.
OLD = ("qemu-x86_64", "-cpu", "Nehalem")

SHORT_FIT = """
import hashlib
import deltarule as dr
x, y = dr.load_digits()
net = dr.MLP([64, 32, 10], output="softmax", seed=0)
net.fit(x[:1500], y[:1500], epochs=3, optimizer=dr.SGD(lr=0.1, momentum=0.9))
assert (net.predict(x[1500:]).argmax(axis=1) == y[1500:]).mean() > 0.85
print(hashlib.sha256(net.theta.tobytes()).hexdigest())
"""
WITHOUT_AVX = """
assert dr._load.core.isas() == ["oracle"] == [dr.get_isa()]
try:
    dr.set_isa("avx2")
except ValueError as error:
    assert str(error).startswith("isa must be one that this processor and build have (oracle)")
else:
    raise AssertionError("avx2 was taken")
"""


@x86_64
def test_a_processor_without_avx_gives_the_same_bits() -> None:
    emulator = (tool(OLD[0], "qemu-user"), *OLD[1:])
    native = run(sys.executable, "-c", SHORT_FIT)
    assert run(*emulator, sys.executable, "-c", SHORT_FIT + WITHOUT_AVX) == native


@x86_64
@pytest.mark.full
def test_the_suite_on_a_processor_without_avx() -> None:
    emulator = (tool(OLD[0], "qemu-user"), *OLD[1:])
    files = [
        ROOT / "tests" / f"{name}.py" for name in ("mlp/test_network", "core/test_mathematics")
    ]
    run(*emulator, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)


# What such an object may need. What it defines for others is its own, by name: a weak copy
# of a shared template, compiled with its flags, could be the one that the linker keeps.
C_FUNCTIONS = {"fma", "fmaf", "memcpy", "memmove", "memset", "memcmp", "__stack_chk_fail"}


@needs_objects
@pytest.mark.parametrize("path", OBJECTS, ids=lambda o: f"{o.parents[4].name}-{o.name}")
def test_an_object_of_an_instruction_set_exports_no_symbol_of_others(path: Path) -> None:
    isa = path.name.removeprefix("isa_").removesuffix(".cpp.o")
    own = re.compile(rf"_ZN9deltarule{len(isa)}{isa}\d")
    symbols = [line.split()[-2:] for line in run(tool("nm", "binutils"), path).splitlines()]
    undefined = {name for kind, name in symbols if kind == "U"}
    assert undefined <= C_FUNCTIONS | {"_GLOBAL_OFFSET_TABLE_"}
    exported = [name for kind, name in symbols if kind != "U" and (kind.isupper() or kind == "u")]
    assert exported
    assert [name for name in exported if not own.match(name)] == []
    sections = run(tool("readelf", "binutils"), "--section-headers", "--wide", path)
    assert ".rodata" in sections
    assert not re.search(r"\.(init_array|ctors)", sections), "a dynamic initialiser"
