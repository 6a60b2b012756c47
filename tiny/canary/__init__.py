"""canary-tiny: speech in five languages -> its text, or that text in another language."""
