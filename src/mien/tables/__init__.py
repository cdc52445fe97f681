"""Tables: rows in, Messages out, then the same ingest as everything else."""
