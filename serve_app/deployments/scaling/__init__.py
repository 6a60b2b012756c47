"""How many replicas a model needs: what they and their callers tell in, a number out.

Serve's own policy counts calls under way. A call may be a clip of a second or a chunk of half a
minute, and one of a live stream's is a link, whatever it carries; so models are scaled by audio:

    autoscaling_config:
      min_replicas: 0
      max_replicas: 8
      metrics_interval_s: 1      # how often replicas tell; Serve's default of 10 is slow
      look_back_period_s: 10
      upscale_delay_s: 2
      downscale_delay_s: 60
      policy:
        policy_function: serve_app.deployments.scaling:AudioPolicy   # a model for recordings
        policy_kwargs: {target_wait_s: 5, head_room: 0.1}

        policy_function: serve_app.deployments.scaling:SlotsPolicy   # a model for live streams
        policy_kwargs: {head_room: 0.2}

Serve calls a policy ten times a second, applies its delays to what it says, and holds it between
`min_replicas` and `max_replicas`. From zero Serve starts the first replica by itself, for a call
that waits.
"""

from serve_app.deployments.scaling.audio import AudioPolicy
from serve_app.deployments.scaling.slots import SlotsPolicy

AUDIO_POLICY = f"{__name__}:{AudioPolicy.__name__}"
SLOTS_POLICY = f"{__name__}:{SlotsPolicy.__name__}"

__all__ = ["AUDIO_POLICY", "SLOTS_POLICY", "AudioPolicy", "SlotsPolicy"]
