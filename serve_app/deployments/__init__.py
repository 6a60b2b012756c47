"""The rooms as Ray Serve deployments. Thin: what they do is told in `pipelines/` and `models/`."""
