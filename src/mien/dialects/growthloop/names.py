"""GrowthLoop's names, and ours: an entity is a collection seen through one type of identifier.

Attribute keys pass through unchanged, but for those that the flat answer needs itself (seed; reference: 1.1, 9).
"""

import re

DIALECT = "growthloop"

ENTITY = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What an entity may be called (reference: 7)."""

LEGACY_ENTITY = "users"
"""The entity whose ids the older generation of the API takes, if there is one of this name (reference: 2)."""

COUNT, AUDIENCES, ID, NAME = "audience_count", "audiences", "entity_id", "entity_name"
EXPLANATIONS = "explanations"
RESERVED = frozenset({COUNT, AUDIENCES, ID, NAME})
"""Keys of an answer that are never an attribute (reference: 1.1)."""

AUDIENCE_ID, AUDIENCE_NAME, GROUP = "audience_id", "audience_name", "group"

PERSONALIZATION = "personalization"
"""The scope a key needs (seed)."""
