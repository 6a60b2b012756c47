# syntax=docker/dockerfile:1
# Chorus for the CPU (`--target cpu`) and for NVIDIA GPUs (`--target cuda`): docs/images.md.
# What changes rarely comes first: a change of code rebuilds the last two layers.
ARG PYTHON_VERSION=3.11

# What Chorus needs, as a list: the layers below depend on it alone, and not on the rest of pyproject.toml.
FROM python:${PYTHON_VERSION}-slim-bookworm AS requirements
COPY pyproject.toml /
RUN python -c 'import tomllib; project = tomllib.load(open("/pyproject.toml", "rb"))["project"]; \
extras = [each for extra in ("postgres", "s3") for each in project["optional-dependencies"][extra]]; \
print(*sorted(project["dependencies"] + extras), sep="\n")' > /requirements.txt

# Torch by itself: it is the largest, and the two targets take it from different places.
FROM python:${PYTHON_VERSION}-slim-bookworm AS environment
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv
COPY constraints.txt /

FROM environment AS environment-cpu
# PyTorch's index of wheels without CUDA; without it torch brings CUDA's libraries, gigabytes that idle.
ARG TORCH_INDEX=""
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint /constraints.txt torch
COPY --from=requirements /requirements.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint /constraints.txt --requirement /requirements.txt "setuptools>=77"

FROM environment AS environment-cuda
# The wheels bring CUDA's libraries; of the host only the driver is needed.
RUN --mount=type=cache,target=/root/.cache/pip pip install --constraint /constraints.txt torch
COPY --from=requirements /requirements.txt /
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint /constraints.txt --requirement /requirements.txt "setuptools>=77"

# Checkpoints of the hub, fetched where CHECKPOINTS names them: "nvidia/parakeet-tdt-0.6b-v3 …".
FROM environment AS checkpoints
RUN --mount=type=cache,target=/root/.cache/pip pip install --constraint /constraints.txt huggingface-hub
ARG CHECKPOINTS=""
ENV HF_HOME=/models
RUN --mount=type=secret,id=hub_token \
    HF_TOKEN="$(cat /run/secrets/hub_token 2>/dev/null || true)"; export HF_TOKEN; \
    mkdir -p /models && for name in $CHECKPOINTS; do hf download "$name" "${name##*/}.nemo" || exit 1; done

# What both targets share but for the environment of Python.
FROM python:${PYTHON_VERSION}-slim-bookworm AS base
# espeak-ng (GPL-3, a program of its own) speaks: without it, leave `synthesizers` out of the configuration.
# hadolint ignore=DL3008  # of Debian's stable release there is one version at a time
RUN apt-get update \
    && apt-get install --yes --no-install-recommends espeak-ng tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --create-home chorus \
    && install --directory --owner chorus --group chorus /models /opt/chorus/.chorus
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HF_HOME=/models
# configs/ray.env and configs/cluster.env, so that every Ray process of every container has them.
ENV RAY_USAGE_STATS_ENABLED=0 \
    RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S=1 \
    RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S=2 \
    RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP=0 \
    RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD=0 \
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1 \
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=serve_app.proxy:guard \
    RAY_AUTH_MODE=token \
    RAY_grpc_client_keepalive_time_ms=10000 \
    RAY_grpc_client_keepalive_timeout_ms=10000 \
    RAY_health_check_period_ms=1000 \
    RAY_health_check_timeout_ms=5000 \
    RAY_health_check_failure_threshold=4
LABEL org.opencontainers.image.title=Chorus org.opencontainers.image.licenses=Apache-2.0
WORKDIR /opt/chorus
# Answers where the default model does; a server that only starts does not count as healthy.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30m CMD ["python", "-c", \
    "import json, urllib.request as r; assert json.load(r.urlopen('http://127.0.0.1:8000/health', timeout=5))['status'] == 'healthy'"]
EXPOSE 8000 8090
# Ray's children are reaped by tini, which hands SIGTERM to the server alone: it finishes what is under way.
ENTRYPOINT ["tini", "--"]

FROM base AS cpu
# No GPU, on whichever node it is.
ENV NVIDIA_VISIBLE_DEVICES=void
COPY --from=environment-cpu /opt/venv /opt/venv
COPY --from=checkpoints --chown=chorus:chorus /models /models
COPY . /opt/chorus
RUN pip install --no-index --no-deps --no-build-isolation --no-cache-dir --editable /opt/chorus \
    && python -m compileall -q /opt/chorus/serve_app
VOLUME ["/models", "/opt/chorus/.chorus"]
USER 1000:1000
CMD ["chorus", "serve", "configs/tiny.yaml", "--host", "0.0.0.0"]

FROM base AS cuda
# What NVIDIA's runtime hands to a container that asks for no GPU by name (`--gpus` and Kubernetes do).
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=environment-cuda /opt/venv /opt/venv
COPY --from=checkpoints --chown=chorus:chorus /models /models
COPY . /opt/chorus
RUN pip install --no-index --no-deps --no-build-isolation --no-cache-dir --editable /opt/chorus \
    && python -m compileall -q /opt/chorus/serve_app
VOLUME ["/models", "/opt/chorus/.chorus"]
USER 1000:1000
CMD ["chorus", "serve", "configs/one_gpu.yaml", "--host", "0.0.0.0"]
