"""Segment: the Tracking HTTP API takes data in, the Profile API answers for it. See COVERAGE.md."""

from mien.dialects.segment.routes import description_route, segment_routes
from mien.dialects.segment.settings import SECTION

__all__ = ["SECTION", "description_route", "segment_routes"]
