"""What a preprocessor has to do for a model, and how much of it the model's replicas may have.

What they may not have yet waits here, and they are told of it.
"""
