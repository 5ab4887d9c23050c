"""Figures: panels arranged for the report of a table."""
