"""Where profiles are kept. `base` is the interface; `sql` is the one implementation."""
