"""The demo: real purchases, replayed through Mien's own API by a real client library."""
