"""In the place of nvcc: writes the image that the fake driver loads, which is the names of the kernels in a source.

Takes what nvcc is called with and heeds `-o`, `--version` and `-E`; fails, and says where, for an `#error` and for
braces that do not match.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

VERSION = "nvcc: NVIDIA (R) Cuda compiler driver, of the tests\nCuda compilation tools, release 13.0, V13.0.88"
KERNEL = re.compile(r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(\w+)")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
#: What it can be asked to write.
KINDS = ("fatbin", "cubin", "ptx")
#: Options whose value is the next word.
VALUED = {"-o", "--output-file", "-arch", "-gencode", "-I", "-std", "-O", "-x", "-Xcompiler", "-Xptxas", "-ccbin"}


def mistake(source: str) -> tuple[int, str] | None:
    """The line of what does not compile, and why."""
    depth = 0
    for number, line in enumerate(source.splitlines(), 1):
        if found := re.match(r"\s*#\s*error\s*(.*)", line):
            return number, f'#error directive: "{found[1]}"'
        depth += line.count("{") - line.count("}")
    return (source.count("\n") + 1, 'expected a "}"') if depth else None


def arguments(words: list[str]) -> tuple[list[str], str]:
    """The files that are named, and where the image goes: beside, named for its kind, unless `-o` says otherwise."""
    files, output, kind, rest = [], None, "fatbin", iter(words)
    for word in rest:
        if word in VALUED:
            value = next(rest, "")
            output = value if word in ("-o", "--output-file") else output
        elif not word.startswith("-"):
            files.append(word)
        elif word.lstrip("-") in KINDS:
            kind = word.lstrip("-")
    return files, output or Path(files[0] if files else "none").with_suffix(f".{kind}").name


def main(words: list[str]) -> int:
    if "--version" in words:
        print(VERSION)
        return 0
    files, output = arguments(words)
    if len(files) != 1 or not Path(files[0]).exists():
        print(f"nvcc fatal   : Don't know what to do with {files}", file=sys.stderr)
        return 1
    source = Path(files[0]).read_text("utf-8")
    if "-E" in words or "--preprocess" in words:
        print(source)
        return 0
    plain = COMMENT.sub("", source)
    if (found := mistake(plain)) is not None:
        print(f"{files[0]}({found[0]}): error: {found[1]}\n\n1 error detected in the compilation.", file=sys.stderr)
        return 2
    Path(output).write_text(" ".join(["FAKE", *KERNEL.findall(plain)]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
