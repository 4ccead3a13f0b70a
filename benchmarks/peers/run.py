"""Prime beside other stores: each contender in a process of its own, on the same workloads, with the same questions.

    make bench-peers                                        installs them into build/peers-venv and runs all
    python benchmarks/peers/run.py --scale 0.01 --only DuckDB

What a contender cannot be installed for, or fails with, is a line of the report. Everything is pinned to one core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import common  # noqa: E402 (it lies one folder up)

import primecore  # noqa: E402

ENVIRONMENT = ROOT / "build" / "peers-venv"
TIMEOUT_S = 3600


def python_of(environment: Path) -> str:
    """The interpreter that has the contenders' packages; this one where the environment is not there."""
    path = environment / "bin" / "python"
    return str(path) if path.exists() else sys.executable


def install(environment: Path) -> dict[str, str]:
    """Makes the environment, one package after another, so that one that fails costs no other. Reasons by package."""
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    # Prime itself is taken from this clone, as compiled; what it needs is installed beside it.
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    failed = {}
    for wanted in (project["dependencies"], *([name] for name in table.packages())):
        command = [str(python), "-m", "pip", "install", "-qq", "--prefer-binary", *wanted]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            failed[" ".join(wanted)] = last_line(done.stderr)
            common.say(f"cannot install {' '.join(wanted)}: {failed[' '.join(wanted)]}")
    return failed


def last_line(text: str) -> str:
    """What a program said last, as a reason."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")[:300]


def ask(peer: table.Peer, python: str, scale: float, parent: Path | None, timeout_s: float) -> dict[str, Any]:
    """What one contender answers; where it fails, why."""
    entry = {"kind": peer.kind, "name": peer.name, "durability": peer.durability, "lacks": peer.lacks}
    if peer.name == "Prime" and not all(hasattr(primecore.Prime, name) for name in table.NEEDS[peer.kind]):
        return {**entry, "failed": "not offered by this version"}
    with tempfile.TemporaryDirectory(prefix="prime-peers-", dir=parent) as name:
        folder = Path(name)
        (folder / "store").mkdir()
        figures = folder / "figures.json"
        command = [python, str(HERE / "ask.py"), peer.kind, peer.name, str(folder / "store"), str(figures)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environment = {**os.environ, "PYTHONPATH": path, "ANONYMIZED_TELEMETRY": "False", "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                [*command, "--scale", str(scale)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            return {**entry, "failed": f"not done after {timeout_s:,.0f} s"}
        if done.returncode or not figures.exists():
            reason = last_line(done.stderr)
            return {**entry, "failed": reason if done.returncode >= 0 else f"killed by signal {-done.returncode}"}
        return {**entry, **json.loads(figures.read_text(encoding="utf-8"))}


def chosen(kinds: list[str], names: list[str]) -> list[table.Peer]:
    """The contenders that were asked for: all of them by default."""
    return [
        peer for peer in table.TABLE if (not kinds or peer.kind in kinds) and (not names or peer.name in names)
    ]  # fmt: skip


def main() -> None:
    options = common.parser(__doc__.splitlines()[0])
    options.add_argument("--install", action="store_true", help="install what contenders need first")
    options.add_argument("--environment", type=Path, default=ENVIRONMENT, help="where their packages are")
    options.add_argument("--only", action="append", default=[], metavar="NAME", help="only this contender; repeatable")
    options.add_argument("--kind", action="append", default=[], choices=table.KINDS, help="only this kind; repeatable")
    options.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S", help="seconds for one contender")
    arguments = options.parse_args()
    failed = install(arguments.environment) if arguments.install else {}
    head, answers = common.start(arguments), []
    if arguments.dir is not None:
        arguments.dir.mkdir(parents=True, exist_ok=True)
    for peer in chosen(arguments.kind, arguments.only):
        missing = [package for package in peer.packages if package in failed]
        if missing:
            reason = f"cannot be installed: {failed[missing[0]]}"
            answers.append({"kind": peer.kind, "name": peer.name, "durability": peer.durability, "failed": reason})
        else:
            python = python_of(arguments.environment)
            answers.append(ask(peer, python, arguments.scale, arguments.dir, arguments.timeout))
        common.say(f"{peer.kind}: {peer.name}: {answers[-1].get('failed') or 'done'}")
    common.finish("peers", arguments, head, {"answers": answers, "left_out": table.LEFT_OUT})


if __name__ == "__main__":
    main()
