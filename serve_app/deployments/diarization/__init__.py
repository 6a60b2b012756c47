"""Models that tell speakers apart, as deployments.

hearings   the recordings that one replica listens to
replica    the deployment
client     a deployment as a pipeline sees it
"""
