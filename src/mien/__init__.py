"""Mien: one customer profile, answered in every vendor's words."""

__version__ = "0.1.0"
