"""What gives texts a voice, as deployments.

client   all of them, as an ingress sees them
replica  one of them
turns    who is spoken for next, in it
"""
