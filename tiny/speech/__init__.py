"""What the tiny models hear: text -> voices and recordings -> augmented batches."""
