"""The wires, and what stands in front of them. Never imports torch, NeMo or a decoder."""
