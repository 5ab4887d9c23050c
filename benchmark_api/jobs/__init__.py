"""Jobs: resumable work whose results are files, run in this process, in local processes or on a Ray cluster."""
