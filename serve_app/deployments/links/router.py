"""Ray Serve's request router for streaming models: a call that names a replica goes there.

A link keeps calling its replica while that drains, when Serve's own routers have forgotten it: a
replica that drains takes calls for as long as one is under way, and a link's `attach` is.
"""

import random

from ray.serve.exceptions import ReplicaUnavailableError
from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from serve_app.deployments.links import running


class PinnedRouter(RequestRouter):
    """`handle.options(session_id=REPLICA)` calls this replica or fails; others call any."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # what Serve gives
        self._by_name: dict[str, RunningReplica] = {}

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Called by Serve with each change."""
        held = running.held(self._deployment_id.name)
        known = {replica.replica_id.unique_id: replica for replica in replicas}
        kept = {name: old for name, old in self._by_name.items() if name in held}
        self._by_name = {**kept, **known}
        super().update_replicas(replicas)
        running.publish(self._deployment_id.name, frozenset(known))

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        super().on_replica_actor_died(replica_id)
        self._by_name.pop(replica_id.unique_id, None)
        left = frozenset(replica.unique_id for replica in self._replicas)
        running.publish(self._deployment_id.name, left)

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        return [random.sample(candidate_replicas, len(candidate_replicas))]

    async def _choose_replica_for_request(
        self, pending_request: PendingRequest, *, is_retry: bool = False
    ) -> RunningReplica:
        """
        Raises:
            ReplicaUnavailableError: the replica that was named is gone, or did not take the call.
        """
        name = pending_request.metadata.session_id
        if not name:
            return await super()._choose_replica_for_request(pending_request, is_retry=is_retry)
        replica = self._by_name.get(name)
        if is_retry or replica is None:
            raise ReplicaUnavailableError(name)
        return replica
