"""What is counted, for Prometheus."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from mien.services.pulse import Pulse

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_NAMES = [*map(str, _BOUNDS), "+Inf"]


class RequestTimes(Collector):
    """A histogram of the time to answer, by route, method and status.

    The library's own has a lock for each bucket, which a request answered in the event loop does not need.
    """

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str, int], list[int]] = {}
        self._seconds: dict[tuple[str, str, int], float] = {}

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (route, method, status)
        buckets = self._buckets.get(key)
        if buckets is None:
            buckets = self._buckets[key] = [0] * len(_NAMES)
            self._seconds[key] = 0.0
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds[key] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return what was counted."""
        family = HistogramMetricFamily(
            "mien_request_seconds", "Time to answer a request.", labels=["route", "method", "status"]
        )
        for (route, method, status), buckets in self._buckets.items():
            sums = list(zip(_NAMES, accumulate(buckets), strict=True))
            family.add_metric([route, method, str(status)], sums, self._seconds[route, method, status])
        yield family


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = RequestTimes()
        self.registry.register(self.requests)
        self.messages = Counter(
            "mien_messages", "Messages taken in, by what became of them.", ["outcome"], registry=self.registry
        )
        self._lag = Gauge(
            "mien_sweep_lag_seconds", "How late the profile is whose time came first.", registry=self.registry
        )
        self._at_once = Gauge(
            "mien_profiles_to_look_at", "Profiles to be looked at whole, at most 10000.", registry=self.registry
        )
        self._definitions = Gauge(
            "mien_definitions", "Computed traits and audiences.", ["state"], registry=self.registry
        )
        self._progress = Gauge(
            "mien_evaluation_progress", "Share of profiles evaluated.", ["space"], registry=self.registry
        )
        self.restarts = Counter("mien_writer_restarts", "Times the writer was begun anew.", registry=self.registry)

    def show(self, pulse: Pulse | None) -> None:
        """Show how far computed traits and audiences are; None when nobody knows."""
        self._definitions.clear()
        self._progress.clear()
        self._lag.set(nan if pulse is None else pulse.lag / 1_000_000)
        self._at_once.set(nan if pulse is None else pulse.at_once)
        if pulse is None:
            return
        for state, number in pulse.definitions.items():
            self._definitions.labels(state).set(number)
        for space, share in pulse.progress.items():
            self._progress.labels(space).set(share)
