"""Prime beside other stores: each contender in a process of its own, on the same workloads, with the same questions.

    make bench-peers                                        installs them into build/peers-venv and runs all
    python benchmarks/peers/run.py --scale 0.01 --only DuckDB
    python benchmarks/peers/run.py --resume --for 240       goes on where it stopped, for four minutes
    python benchmarks/peers/run.py --check                  compares all answers of a small workload, measures nothing

What a contender cannot be installed for, or fails with, is a line of the report. Everything is pinned to one core. The
results are kept by kind, in peers-KIND.json, after each contender.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import common  # noqa: E402 (it lies one folder up)

import primecore  # noqa: E402

ENVIRONMENT = ROOT / "build" / "peers-venv"
NPM = ROOT / "build" / "peers-npm"
NPM_PACKAGES = ("@modelcontextprotocol/server-memory",)
TIMEOUT_S, LATE = 600, "not done after"


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
    if shutil.which("npm"):
        NPM.mkdir(parents=True, exist_ok=True)
        quiet = ("--silent", "--no-audit", "--no-fund")
        subprocess.run(["npm", "install", "--prefix", str(NPM), *quiet, *NPM_PACKAGES], check=False)
    return failed


def last_line(text: str) -> str:
    """What a program said last, as a reason."""
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")
    return last.removeprefix("kinds.Unavailable: ")[:300]


def ask(
    peer: table.Peer, python: str, scale: float, parent: Path | None, timeout_s: float, *, check: bool = False
) -> dict[str, Any]:
    """What one contender answers; where it fails, why."""
    entry = {"kind": peer.kind, "name": peer.name, "durability": peer.durability, "lacks": peer.lacks}
    if peer.name.startswith("Prime") and not all(hasattr(primecore.Prime, name) for name in table.NEEDS[peer.kind]):
        return {**entry, "failed": "not offered by this version"}
    with tempfile.TemporaryDirectory(prefix="prime-peers-", dir=parent) as name:
        folder = Path(name)
        (folder / "store").mkdir()
        figures = folder / "figures.json"
        command = [python, str(HERE / "ask.py"), peer.kind, peer.name, str(folder / "store"), str(figures)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environment = {**os.environ, "PYTHONPATH": path, "ANONYMIZED_TELEMETRY": "False", "OMP_NUM_THREADS": "1"}
        # A group of its own: servers that a contender starts end with it, whatever happens.
        with subprocess.Popen(
            [*command, "--scale", str(scale), *(["--check"] if check else [])],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                said = process.communicate(timeout=timeout_s)[1]
            except subprocess.TimeoutExpired:
                return {**entry, "failed": f"{LATE} {timeout_s:,.0f} s"}
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode or not figures.exists():
            reason = last_line(said)
            killed = process.returncode < 0
            return {**entry, "failed": f"killed by signal {-process.returncode}" if killed else reason}
        return {**entry, **json.loads(figures.read_text(encoding="utf-8"))}


def chosen(kinds: list[str], names: list[str]) -> list[table.Peer]:
    """The contenders that were asked for: all of them by default."""
    return [
        peer for peer in table.TABLE if (not kinds or peer.kind in kinds) and (not names or peer.name in names)
    ]  # fmt: skip


class Results:
    """The answers of one kind so far, in a file that is written after each of them."""

    def __init__(self, kind: str, head: dict[str, Any], folder: Path | None) -> None:
        self.kind, self.head = kind, head
        self.path = folder / f"peers-{kind}.json" if folder is not None else None
        self.answers: dict[str, dict[str, Any]] = {}
        if self.path is not None and self.path.exists():
            before = json.loads(self.path.read_text(encoding="utf-8"))
            if before["scale"] == head["scale"]:
                self.answers = {answer["name"]: answer for answer in before["figures"]["answers"]}

    def has(self, name: str) -> bool:
        """Whether there are figures of it, or it ran out of time, which it would again."""
        answer = self.answers.get(name, {})
        return "figures" in answer or answer.get("failed", "").startswith(LATE)

    def keep(self, answer: dict[str, Any]) -> None:
        """Takes an answer, in place of an earlier one."""
        self.answers[answer["name"]] = {**answer, "commit": self.head["machine"]["commit"]}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.document(), indent=2, ensure_ascii=False)
            self.path.write_text(text + "\n", encoding="utf-8")

    def document(self) -> dict[str, Any]:
        """All of the kind that belong to it today, in the order of the table; the noise is that of the worst."""
        names = [peer.name for peer in table.TABLE if peer.kind == self.kind]
        listed = [self.answers[name] for name in names if name in self.answers]
        noise = {"slowest_over_fastest": max((answer.get("noise", 1.0) for answer in listed), default=1.0)}
        figures = {"answers": listed, "left_out": table.LEFT_OUT}
        head = {**self.head, "noise_before": noise, "noise_after": noise}
        return {"benchmark": f"peers-{self.kind}", **head, "figures": figures}


def arguments_of() -> Any:
    """What the command line says."""
    options = common.parser(__doc__.splitlines()[0])
    options.add_argument("--install", action="store_true", help="install what contenders need first")
    options.add_argument("--environment", type=Path, default=ENVIRONMENT, help="where their packages are")
    options.add_argument("--only", action="append", default=[], metavar="NAME", help="only this contender; repeatable")
    options.add_argument("--kind", action="append", default=[], choices=table.KINDS, help="only this kind; repeatable")
    options.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S", help="seconds for one contender")
    options.add_argument("--resume", action="store_true", help="only those without figures at this scale yet")
    options.add_argument("--for", type=float, default=None, metavar="S", dest="for_s", help="begin none after so long")
    options.add_argument("--check", action="store_true", help="compare answers, measure nothing, keep nothing")
    return options.parse_args()


def main() -> int:
    arguments = arguments_of()
    failed = install(arguments.environment) if arguments.install else {}
    begun, head = time.monotonic(), common.start(arguments)
    if arguments.dir is not None:
        arguments.dir = arguments.dir.resolve()
        arguments.dir.mkdir(parents=True, exist_ok=True)
    folder = arguments.output or (common.HERE / "results" if arguments.scale == 1 else None)
    results = {kind: Results(kind, head, None if arguments.check else folder) for kind in table.KINDS}
    wrong = False
    for peer in chosen(arguments.kind, arguments.only):
        if arguments.resume and results[peer.kind].has(peer.name):
            continue
        if arguments.for_s is not None and time.monotonic() - begun > arguments.for_s:
            common.say("the time is over: --resume goes on here")
            break
        missing = [package for package in peer.packages if package in failed]
        if missing:
            entry = {"kind": peer.kind, "name": peer.name, "durability": peer.durability, "lacks": peer.lacks}
            answer = {**entry, "failed": f"cannot be installed: {failed[missing[0]]}"}
        else:
            python = python_of(arguments.environment)
            answer = ask(peer, python, arguments.scale, arguments.dir, arguments.timeout, check=arguments.check)
        results[peer.kind].keep(answer)
        wrong = wrong or "WrongAnswer" in answer.get("failed", "")
        common.say(f"{time.monotonic() - begun:5.0f} s  {peer.kind}: {peer.name}: {answer.get('failed') or 'done'}")
    print(json.dumps([made.document() for made in results.values() if made.answers], indent=2, ensure_ascii=False))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
