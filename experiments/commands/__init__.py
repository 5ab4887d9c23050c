"""Commands of `python -m experiments`: one dataclass each, whose fields are its options and whose call runs it."""
