"""What gives texts a voice: espeak-ng, Silero's models, and a simulation."""
