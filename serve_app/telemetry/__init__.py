"""What the server tells of itself: metrics, spans, log lines. Never audio, never text.

metrics  every metric, declared once
tracing  spans; `otlp` sends them, where that is configured
logs     lines beside Serve's, with request and trace
replica  how a replica begins to tell, and tells again and again
"""
