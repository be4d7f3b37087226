# electra on CPUs. docs/guide/containers.md says how to use it, and what of it was tried.
#
#   docker build -f containers/cpu.Dockerfile -t electra:cpu .

FROM debian:bookworm-slim AS built
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv ca-certificates \
 && rm -rf /var/lib/apt/lists/*
# Debian's pip cannot build seqeval, which comes as source alone.
RUN python3 -m venv /opt/electra \
 && /opt/electra/bin/pip install --no-cache-dir 'pip>=25'
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
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
ENV PATH=/opt/electra/bin:$PATH \
    LANG=C.UTF-8 \
    XDG_CACHE_HOME=/cache \
    MPLCONFIGDIR=/cache/matplotlib
USER electra
WORKDIR /workspace
VOLUME ["/workspace/data", "/workspace/runs", "/cache"]
ENTRYPOINT ["electra"]
CMD ["--help"]
