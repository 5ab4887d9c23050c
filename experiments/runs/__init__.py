"""Runs: one search on one table with one seed, and what is derived from trained supernets."""
