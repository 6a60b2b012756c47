"""What all wires of live streams share: a WebSocket, in; a wire's conversation over it, out.

inbox           what the client sent and nobody has heard yet, bounded
connection      one WebSocket, from its handshake to its close code
stream          the session behind the socket: opened, charged as it is fed, closed
transcription   of streams that are written down
translation     of conversations that are spoken in another language
visit           hears and tells until either side ends it, and says why
serving         lets in or denies, and counts
"""
