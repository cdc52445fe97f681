"""HTTP that belongs to no vendor."""
