"""Jobs at the ingress: nothing here transcribes.

uploads  recordings of any size, into the store as they arrive
desk     who hands a job in, and who asks for it
results  what has come of it, as each format has it
"""
