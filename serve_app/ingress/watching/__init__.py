"""What an ingress tells of its exchanges. Both are the outermost that they pass through.

measured  counts and times them
traced    a span for each, below its client's
"""
