"""What models say of chunks, in; the segments of a recording out.

merge       the hypothesis of one chunk -> its segments
seams       two chunks that share some audio -> what both say, once
interleave  the segments of several channels -> all of them by time
speakers    who is heard when -> whose words they are
"""
