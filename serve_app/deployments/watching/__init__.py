"""What the deployments tell of their work, stage by stage.

recording  one recording in its preprocessor: decoding, its chunks, merging
batches    one run of a model, and the chunks in it
segments   one stream's segment in its slot, and its steps
"""
