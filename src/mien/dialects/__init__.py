"""Vendors' APIs. A dialect translates and never decides; dialects never meet each other."""
