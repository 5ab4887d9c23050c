"""The zoo: black-box searches in `algorithms.black_box`, one-shot searches in `algorithms.one_shot` (which needs PyTorch)."""
