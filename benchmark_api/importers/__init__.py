"""Importers: make a table of files from outside."""
