"""Bytes in, floating-point samples at their own rate out. The only place that knows FFmpeg."""
