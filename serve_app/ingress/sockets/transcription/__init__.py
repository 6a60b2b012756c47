"""Live streams that are written down.

asked    a query's fields, to the model and the options that they ask for
stream   the session in a slot of the model
resume   where a stream can be taken up again, as a token
said     the whole text so far, for wires that tell it whole
"""
