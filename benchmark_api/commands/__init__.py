"""The commands of `python -m benchmark_api`: one class each, whose fields are the options. `--help` imports no NumPy."""
