"""Jobs: resumable pieces of work, run in local processes or on a Ray cluster."""
