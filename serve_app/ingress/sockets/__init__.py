"""What all wires of live streams share: a WebSocket, in; a wire's conversation over it, out.

inbox        what the client sent and nobody has heard yet, bounded
connection   one WebSocket, from its handshake to its close code
asked        a query's fields, to the model and the options that they ask for
stream       the session behind the socket: opened early, charged as it is fed
resume       where a stream can be taken up again, as a token
said         the whole text so far, for wires that tell it whole
visit        hears and tells until either side ends it, and says why
serving      lets in or denies, and counts
"""
