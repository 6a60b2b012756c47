"""Who may ask, and for how much: a request's head, in; the caller's name or a refusal, out.

keys      the keys file, read strictly and again when it changes
keyfile   an entry added to it
secrets   signed stateless client secrets, for browsers and other clients that must not hold a key
door      finds the caller of an exchange, and asks the ledger whether it may come in
guards    all of it as the configuration says, for `app`
audit     one line for each exchange, and the audio that it cost
"""
