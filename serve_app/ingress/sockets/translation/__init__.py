"""Conversations: what is said, in another language.

asked    who translates, between which languages, in whose voices
stream   the conversation behind the socket
"""
