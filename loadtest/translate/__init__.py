"""How long a translation takes to be heard, beside what its model and its voice take alone.

floor   the model and the voice in this process, with nothing around them
talks   conversations with a real server, one utterance after the other, as it is spoken
page    both, as a page
"""
