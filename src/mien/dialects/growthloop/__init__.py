"""GrowthLoop: the Personalization API answers for profiles and their audiences. See COVERAGE.md."""

from mien.dialects.growthloop.routes import description_route, growthloop_routes, nothing_route
from mien.dialects.growthloop.settings import SECTION

__all__ = ["SECTION", "description_route", "growthloop_routes", "nothing_route"]
