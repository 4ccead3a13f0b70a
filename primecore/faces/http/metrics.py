"""Metrics in Prometheus' text format: requests by route, the store's counters. Knows names and numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

from primecore.service import Prime

BUCKETS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})


class Metrics:
    """Counts requests. Labels come from routes, never from what clients send, so their number is bounded."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS_SECONDS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request that was answered; status 0: its client left before."""
        self._requests[route, method if method in _METHODS else "other", status] += 1
        buckets = self._buckets[route]
        buckets[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        self._seconds[route] += seconds

    def text(self, prime: Prime, jobs: int, streams: int) -> bytes:
        """All there is, with how many jobs and streams are under way just now."""
        lines = ["# TYPE prime_http_requests_total counter"]
        for (route, method, status), count in sorted(self._requests.items()):
            lines.append(f'prime_http_requests_total{{route="{route}",method="{method}",status="{status}"}} {count}')
        lines.append("# TYPE prime_http_request_seconds histogram")
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for limit, count in zip((*map(str, BUCKETS_SECONDS), "+Inf"), buckets, strict=True):
                total += count
                lines.append(f'prime_http_request_seconds_bucket{{route="{route}",le="{limit}"}} {total}')
            lines.append(f'prime_http_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
            lines.append(f'prime_http_request_seconds_count{{route="{route}"}} {total}')
        stats = prime.stats()
        gauges = {
            "http_jobs": jobs,
            "http_streams": streams,
            "parked_projections": len(stats.parked),
            **{name: value for name, value in stats._asdict().items() if isinstance(value, (int, float))},
        }
        for name, value in gauges.items():
            lines += [f"# TYPE prime_{name} gauge", f"prime_{name} {value}"]
        lines.append("# TYPE prime_memory_bytes gauge")
        lines += [f'prime_memory_bytes{{part="{part}"}} {size}' for part, size in stats.memory_bytes.items()]
        return ("\n".join(lines) + "\n").encode()
