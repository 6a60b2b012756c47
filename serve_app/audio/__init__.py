"""Bytes in, waveforms and chunks out. Knows codecs and silence; knows no torch, no HTTP, no Ray."""
