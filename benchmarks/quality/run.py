"""How well recall finds what answers a question: R@5, R@10, R@20 and MRR by category, for each arm and for all.

python benchmarks/quality/run.py                    # on made_up.json, which made_up.py writes
python benchmarks/quality/run.py locomo10.json      # on a file of yours in the LoCoMo format
python benchmarks/quality/run.py --weigh            # what shares of the vectors come to, by embedder

Each turn is a node with its text, speaker and date, joined to the next turn of its session; each dialogue is a store of
its own. A turn counts as found if it is among the evidence of the question. R@k is the share of the evidence among the
first k hits, MRR one over the rank of the first. At the level of sessions a hit stands for its session. Vectors come
from --embedder (wordllama if it is installed, else hashing).

--weigh tries shares of the vectors on the first half of the dialogues and tells what their eight means come to, for
each embedder that is installed; then it measures all arms on the other half, with the share that is in force in Prime.
The share of the graph stays as it is.

It does not show how well a model then answers, nor how other embedders do. The made-up set is regular: it tells arms
apart, it does not tell how good a memory is.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import primecore
from primecore import embedders
from primecore.bench.measure import machine

ARMS: dict[str, dict[str, float]] = {
    "words": {"vector": 0, "graph": 0},
    "vectors": {"words": 0, "graph": 0},
    "fused": {"graph": 0},
    "fused + graph": {},
}
KS = (5, 10, 20)
MEASURES = (*(f"R@{k}" for k in KS), "MRR")
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "paraphrase or open", 4: "single-hop", 5: "distractor or adversarial"}


def turns(sample: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(turn, text, session) in order."""
    talk = sample["conversation"]
    found = []
    numbers = sorted(int(key[8:]) for key in talk if key.startswith("session_") and key[8:].isdigit())
    for number in numbers:
        date = talk.get(f"session_{number}_date_time", "")
        for turn in talk[f"session_{number}"]:
            caption = f" ({turn['blip_caption']})" if turn.get("blip_caption") else ""
            text = f"{turn['speaker']}: {turn['text']}{caption} [{date}]"
            found.append((turn["dia_id"], text, f"D{number}"))
    return found


def filled(sample: dict[str, Any], embedder: str) -> primecore.Prime:
    """A store in memory that holds a dialogue."""
    prime = primecore.open(":memory:", embedder=embedder)
    before, session = None, None
    for name, text, part in turns(sample):
        node = prime.add_node("turn", {"text": text}, id=name)
        prime.embed(node, text=text)
        if before is not None and part == session:
            prime.add_edge(before, node, "next")
        before, session = node, part
    return prime


def ranked(prime: primecore.Prime, question: str, weights: dict[str, float]) -> list[str]:
    """Turns, the best first."""
    return [hit.id.removeprefix("node:turn:") for hit in prime.recall(question, k=60, weights=weights)]


def judged(found: list[str], wanted: set[str]) -> dict[str, float]:
    """R@k and MRR of one question."""
    first = next((1 / rank for rank, name in enumerate(found, 1) if name in wanted), 0.0)
    return {f"R@{k}": len(wanted & set(found[:k])) / len(wanted) for k in KS} | {"MRR": first}


def evidence(qa: dict[str, Any], known: set[str]) -> set[str]:
    """The turns that answer, as far as there are such turns (LoCoMo lists some in one string)."""
    names = " ".join(str(it) for it in qa.get("evidence") or ()).replace(";", " ").replace(",", " ").split()
    return {name for name in names if name in known}


def measure(samples: list[dict[str, Any]], embedder: str, arms: dict[str, dict[str, float]]) -> dict[str, Any]:
    """level -> arm -> category -> mean of each measure, `all` among the categories."""
    sums: dict[Any, Any] = defaultdict(lambda: defaultdict(float))
    counts: dict[Any, int] = defaultdict(int)
    for sample in samples:
        part_of = {name: part for name, _, part in turns(sample)}
        with filled(sample, embedder) as prime:
            for qa in sample["qa"]:
                wanted = evidence(qa, set(part_of))
                if not wanted:
                    continue
                category = CATEGORIES.get(qa.get("category"), str(qa.get("category")))
                for arm, weights in arms.items():
                    found = ranked(prime, qa["question"], weights)
                    sessions = list(dict.fromkeys(part_of[name] for name in found))
                    for level, hits, right in (
                        ("turn", found, wanted), ("session", sessions, {part_of[it] for it in wanted})
                    ):  # fmt: skip
                        for group in (category, "all"):
                            counts[level, arm, group] += 1
                            for name, value in judged(hits, right).items():
                                sums[level, arm, group][name] += value
    result: dict[str, Any] = {}
    for (level, arm, group), total in sums.items():
        count = counts[level, arm, group]
        means = {name: round(value / count, 4) for name, value in total.items()}
        result.setdefault(level, {}).setdefault(arm, {})[group] = {"questions": count, **means}
    return result


SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def weighed(samples: list[dict[str, Any]], embedder: str) -> dict[str, Any]:
    """What shares of the vectors come to on one half of the dialogues, and all arms, as they are, on the other half."""
    half = len(samples) // 2
    grid = {str(share): {"vector": share, "words": 1 - share} for share in SHARES}
    tried = measure(samples[:half], embedder, grid)
    means = {
        share: round(sum(sum(tried[level][share]["all"][it] for it in MEASURES) for level in tried) / 8, 4)
        for share in grid
    }
    in_force = embedders.share(embedders.find(embedder).name)
    return {"mean_by_share": means, "in_force": in_force, "levels": measure(samples[half:], embedder, ARMS)}


def show(found: dict[str, Any]) -> None:
    for level, arms in found.items():
        for group in sorted(next(iter(arms.values()))):
            print(f"{level}, {group} ({next(iter(arms.values()))[group]['questions']} questions)")
            for arm, means in arms.items():
                print(f"  {arm:24}", "  ".join(f"{k} {v:.3f}" for k, v in means[group].items() if k != "questions"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path(__file__).with_name("made_up.json"))
    parser.add_argument("--embedder", help="one of them only (default: wordllama if it is installed, else hashing)")
    parser.add_argument("--weigh", action="store_true", help="try shares of the vectors on one half, show the other")
    parser.add_argument("--dialogues", type=int, help="only so many")
    parser.add_argument("--json", type=Path, help="also write the result here")
    args = parser.parse_args()
    samples = json.loads(args.file.read_text(encoding="utf-8"))[: args.dialogues]
    has_model = importlib.util.find_spec("wordllama") is not None
    usual = ["hashing", "wordllama"] if args.weigh and has_model else ["wordllama" if has_model else "hashing"]
    figures: dict[str, Any] = {"file": args.file.name, "dialogues": len(samples), "embedders": {}}
    for embedder in [args.embedder] if args.embedder else usual:
        found = weighed(samples, embedder) if args.weigh else {"levels": measure(samples, embedder, ARMS)}
        figures["embedders"][embedder] = found
        print(embedder, *(f"share {share}: {mean}" for share, mean in found.get("mean_by_share", {}).items()), sep="\n")
        show(found["levels"])
    if args.json:
        result = {"benchmark": "quality", "machine": machine(), "figures": figures}
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
