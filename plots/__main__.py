"""`python -m plots`: draw the figures of what is stored, as PNG and PDF."""
