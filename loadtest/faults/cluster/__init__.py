"""Ray nodes in network namespaces of their own, and what stands beside them."""
