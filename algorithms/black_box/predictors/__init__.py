"""Parts of predictor-guided searches: encodings of architectures, and models that predict accuracies from them."""
