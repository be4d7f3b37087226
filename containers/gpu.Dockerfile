# electra on NVIDIA GPUs. docs/guide/containers.md says how to use it, and what of it was tried.
#
#   docker build -f containers/gpu.Dockerfile -t electra:gpu .
#
# CUDA's libraries come as Python packages, in the versions that TensorFlow asks for. The driver is
# the host's: NVIDIA's container toolkit puts it into the container.

FROM debian:bookworm-slim AS built
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv ca-certificates \
 && rm -rf /var/lib/apt/lists/*
# Debian's pip cannot build seqeval, which comes as source alone.
RUN python3 -m venv /opt/electra \
 && /opt/electra/bin/pip install --no-cache-dir 'pip>=25'
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
# Gigabytes that seldom change get a layer of their own, before what changes often.
RUN version=$(sed -n 's/^tensorflow==//p' constraints.txt) \
 && /opt/electra/bin/pip install --no-cache-dir --constraint constraints.txt \
    "tensorflow[and-cuda]==$version"
COPY presets presets
COPY electra_cli electra_cli
RUN /opt/electra/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home electra \
 && install --directory --owner=electra --group=electra /workspace /workspace/data /workspace/runs \
 && install --directory --mode=1777 /cache
COPY --from=built /opt/electra /opt/electra
# The toolkit reads the first two; kernels that the driver compiles are kept in the cache.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/cache/cuda \
    PATH=/opt/electra/bin:$PATH \
    LANG=C.UTF-8 \
    XDG_CACHE_HOME=/cache \
    MPLCONFIGDIR=/cache/matplotlib
USER electra
WORKDIR /workspace
VOLUME ["/workspace/data", "/workspace/runs", "/cache"]
ENTRYPOINT ["electra"]
CMD ["--help"]
