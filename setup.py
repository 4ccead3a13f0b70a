"""Builds the compiled modules and lists the packages. Everything else about the package stands in pyproject.toml.

PRIME_STRICT=1 makes the compiler's warnings, Cython's warnings and Cython's performance hints errors (as `make` does).
PRIME_COMPILE=0 leaves the compiled modules out (for an editable install whose modules were compiled in place).
PRIME_SANITIZE=1 compiles with AddressSanitizer and UndefinedBehaviorSanitizer (`make asan`, into build/asan).
PRIME_SANITIZE=thread compiles with ThreadSanitizer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

STRICT = os.environ.get("PRIME_STRICT") == "1"
PACKAGE = Path("primecore")
SOURCES = [] if os.environ.get("PRIME_COMPILE") == "0" else sorted(PACKAGE.glob("_*.pyx"))
BUILD = Path("build")
HEADERS = [path.as_posix() for pattern in ("*.pxd", "include/*.h") for path in sorted(PACKAGE.glob(pattern))]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "auto_pickle": False,
    "show_performance_hints": True,
}
MACROS = [("XXH_INLINE_ALL", "1"), ("CYTHON_USE_TYPE_SPECS", "0")]
COMPILE_ARGS = ["-O3", "-std=gnu11", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unused-parameter"]
SANITIZE = os.environ.get("PRIME_SANITIZE", "")
if SANITIZE:
    SANITIZERS = "-fsanitize=thread" if SANITIZE == "thread" else "-fsanitize=address,undefined"
    COMPILE_ARGS += ["-O1", "-g1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", SANITIZERS]
    if SANITIZE == "thread":
        COMPILE_ARGS.append("-Wno-tsan")  # it sees no fences: what rests on one stands in tests/torture/tsan.supp
LINK_ARGS = ["-pthread", *([SANITIZERS] if SANITIZE else [])]
# How the lines begin that Cython writes to stderr when it is not content. It has no switch that makes them errors.
COMPLAINTS = ("warning:", "performance hint:")


def xxhash_folder() -> str:
    """The folder of xxhash.h, which ships inside pyarrow's own headers: no copy of ours, no system package."""
    spec = importlib.util.find_spec("pyarrow")  # found, not imported: importing it takes longer than all the rest here
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place, "include", "arrow", "vendored", "xxhash")
        if (folder / "xxhash.h").is_file():
            return str(folder)
    raise SystemExit("setup.py: no xxhash.h found; install pyarrow 18 or later, which carries it, and build again")


class Tee(io.TextIOBase):
    """Passes text on to `out` as it comes and keeps a copy of it."""

    def __init__(self, out: io.TextIOBase) -> None:
        self.out = out
        self.kept: list[str] = []

    def write(self, text: str) -> int:
        self.kept.append(text)
        return self.out.write(text)

    def flush(self) -> None:
        self.out.flush()


@contextlib.contextmanager
def renewed(name: str, *settings: object) -> Iterator[bool]:
    """Tells whether a step last succeeded with other settings, or never; notes these once it has succeeded."""
    stamp = BUILD / f"stamp-{name}.txt"
    wanted = repr(settings)
    changed = not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted
    if changed:
        stamp.unlink(missing_ok=True)
    yield changed
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(wanted, encoding="utf-8")


class StrictBuildExt(build_ext):
    """Translates to C under build/cython, refuses complaints when strict, compiles on every core."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()

    def run(self) -> None:
        if not self.extensions:
            return super().run()
        # A build that was not strict, or had other flags, must not pass for one that is and has: it starts again.
        with renewed("c", STRICT, cython_version(), DIRECTIVES) as changed:
            self.translate(force=changed or bool(self.force))
        include = xxhash_folder()
        for extension in self.extensions:
            extension.include_dirs.append(include)
        with renewed(f"{sys.implementation.cache_tag}{SANITIZE}", STRICT, sys.version, MACROS, COMPILE_ARGS) as changed:
            self.force = self.force or changed
            super().run()

    def translate(self, *, force: bool) -> None:
        """Replaces each extension's .pyx by the C made from it, which all Python versions share."""
        from Cython.Build import cythonize

        tee = Tee(sys.stderr)
        began_s = time.time()
        translated: list[Extension] = []
        try:
            with contextlib.redirect_stderr(tee):
                translated = cythonize(
                    [
                        Extension(extension.name, list(extension.sources), depends=HEADERS)
                        for extension in self.extensions
                    ],
                    compiler_directives=DIRECTIVES,
                    build_dir=str(BUILD / "cython"),
                    force=force,
                )
        finally:
            complaints = [line for line in "".join(tee.kept).splitlines() if line.startswith(COMPLAINTS)]
            if STRICT and complaints:
                # What was just made goes too, or the next run would find it up to date and have nothing to say.
                for path in (BUILD / "cython").rglob("*.c"):
                    if path.stat().st_mtime >= began_s - 1:
                        path.unlink()
        if STRICT and complaints:
            raise SystemExit("\n".join(["setup.py: PRIME_STRICT=1 makes errors of what Cython says:", *complaints]))
        sources = {extension.name: extension.sources for extension in translated}
        for extension in self.extensions:
            extension.sources = sources[extension.name]


def cython_version() -> str:
    """The version of Cython; imported late, because an sdist is made without it."""
    import Cython

    return Cython.__version__


setup(
    # Found, not listed, so that no package is forgotten. The folder cli/ is installed as primecore.cli, never as `cli`.
    packages=[
        *find_packages(include=["primecore", "primecore.*"]),
        *(["primecore.cli"] if Path("cli").is_dir() else []),
        *(f"primecore.cli.{name}" for name in find_packages("cli")),
    ],
    package_dir={"primecore": "primecore", "primecore.cli": "cli"},
    cmdclass={"build_ext": StrictBuildExt},
    ext_modules=[
        Extension(
            f"primecore.{path.stem}",
            [path.as_posix()],
            include_dirs=[(PACKAGE / "include").as_posix()],
            depends=HEADERS,
            define_macros=MACROS,
            extra_compile_args=COMPILE_ARGS + (["-Werror"] if STRICT else []),
            extra_link_args=LINK_ARGS,
        )
        for path in SOURCES
    ],
)
