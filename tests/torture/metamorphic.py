"""The same events through other segment sizes, modes, backends and ways of writing must give the same digests."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from support.feed import WAYS, feed_on
from support.fold import Fold
from support.generate import Generator

import primecore
from primecore.segments import SegmentSizes
from torture.stores import BACKENDS, MODES, log_options

SIZES = [SegmentSizes(8192, 8192), SegmentSizes(8192, 65536), SegmentSizes(1 << 20, 1 << 20)]


def run(seed: int, folder: Path, variants: int = 3) -> int:
    """One sequence, written in several ways with random reopening; gives the number of variants."""
    events = Generator(seed).events(250)
    digests = set()
    for variant in range(variants):
        rng = random.Random(f"metamorphic/{seed}/{variant}")
        path = folder / f"{seed}-{variant}"
        fold, at = Fold(), 0
        while at < len(events):
            part = events[at : at + rng.choice((40, 100, 250))]
            at += len(part)
            options = {"segment_sizes": rng.choice(SIZES), "backend": rng.choice(BACKENDS)}
            with log_options(**options), primecore.open(path, fsync=rng.choice(MODES)) as prime:
                fold = feed_on(prime, fold, part, rng.choice(WAYS), seed)
                assert prime.position == fold.position
                live = prime.digest()
        with primecore.open(path) as prime:
            assert prime.digest() == live
        digests.add(live)
        shutil.rmtree(path)
    assert len(digests) == 1, "the same events gave different digests"
    return variants
