"""Supernets: one network that holds all candidates of a space."""
