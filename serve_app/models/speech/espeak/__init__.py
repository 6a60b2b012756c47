"""espeak-ng, which is under the GPL-3 and runs as a process of its own.

engine    the synthesizer, as the rest of the server sees it
process   the child process, as its parent sees it
messages  what the two say to each other
child     what runs in it: the only place that loads espeak-ng
library   espeak-ng's C interface
"""
