"""Experiments: runs of searches on tables, their storage, their statistics, and the command line."""
