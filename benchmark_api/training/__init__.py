"""Training of candidates: data sets, networks, stacked training, and the builder of tables."""
