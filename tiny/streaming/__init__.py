"""parakeet-streaming-tiny: parakeet-tiny's language, heard while it is spoken."""
