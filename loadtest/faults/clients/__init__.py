"""Clients of every wire, who retry what is safe and write down what happened to each request."""
