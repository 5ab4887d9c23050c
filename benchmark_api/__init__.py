"""What a candidate is, what it costs and how good it is; never who asks."""
