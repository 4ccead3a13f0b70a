"""Builds the compiled modules. Everything else about the package stands in pyproject.toml.

PRIME_STRICT=1 makes compiler warnings and Cython's performance hints errors (what `make` does).
"""

import os
from pathlib import Path

import pyarrow
from Cython.Build import cythonize
from setuptools import Extension, setup

STRICT = os.environ.get("PRIME_STRICT") == "1"
PACKAGE = Path("primecore")
HEADERS = [str(path) for pattern in ("*.pxd", "include/*.h") for path in sorted(PACKAGE.glob(pattern))]

# xxhash.h ships inside pyarrow's own headers, so a build needs no copy of it and no system package.
INCLUDES = [str(PACKAGE / "include"), str(Path(pyarrow.get_include()) / "arrow" / "vendored" / "xxhash")]

extensions = [
    Extension(
        f"primecore.{path.stem}",
        [str(path)],
        include_dirs=INCLUDES,
        depends=HEADERS,
        define_macros=[("XXH_INLINE_ALL", "1"), ("CYTHON_USE_TYPE_SPECS", "0")],
        extra_compile_args=["-O3", "-std=gnu11", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unused-parameter"]
        + (["-Werror"] if STRICT else []),
        extra_link_args=["-pthread"],
    )
    for path in sorted(PACKAGE.glob("_*.pyx"))
]

setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
            "auto_pickle": False,
        },
        show_performance_hints=True,
    )
)
