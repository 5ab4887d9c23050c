"""Figures of stored results: `panels` draw arrays on axes, `figures` compose panels, and `python -m plots` saves figures."""
