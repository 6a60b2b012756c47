"""What else one would put in front of an engine: small, and tuned as its own documentation says."""
