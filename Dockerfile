# rethined as a container: reads and writes a mounted folder, needs no network and no root.
#
#   docker build -t rethined .
#   docker run --rm --network none --read-only --user "$(id -u):$(id -g)" -v "$PWD:/work" rethined \
#       inpaint photo.jpg mask.png -o filled.png
#
# --build-arg EXTRAS=[openvino] installs an extra too.

# One name for both stages: a wheel with compiled parts fits only the Python that it was chosen for.
FROM python:3.13-slim AS python

FROM python AS wheel
# A compiler for the loops of rethined.native.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
ENV RETHINED_COMPILE=1
RUN pip install --no-cache-dir --constraint constraints.txt build hatchling \
    && python -m build --no-isolation --wheel --outdir /wheels

FROM python
ARG EXTRAS=""
# The wheel and the versions are mounted, not copied: they leave no layer behind.
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    pip install --no-cache-dir --constraint /constraints.txt "$(echo /wheels/*.whl)${EXTRAS}"

# Nothing is written outside of what is mounted, so that the container's own files may be read-only. ONNX Runtime from
# 1.29 reports its use to its maker unless told otherwise (https://github.com/microsoft/onnxruntime/pull/27379).
ENV ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number: Kubernetes cannot tell of a name whether it is root.
USER 10001:10001
WORKDIR /work
# The first process of a container does not hear SIGTERM unless it asks to. At SIGINT the photograph that is going on is
# finished.
STOPSIGNAL SIGINT
ENTRYPOINT ["rethined"]
CMD ["--help"]
