# nerq-cli for CI systems: docker run --rm -v "$PWD:/project:ro" -v nerq-cache:/cache nerq scan
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY nerq_cli ./nerq_cli
# --build-arg EXTRAS=serve adds what nerq serve needs; several: serve,postgres.
ARG EXTRAS=""
RUN python -m venv /opt/nerq \
    && /opt/nerq/bin/pip install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}" \
    && /opt/nerq/bin/pip uninstall --yes pip

FROM python:3.13-slim
# --build-arg PACKAGES=git adds what nerq scan --since needs.
ARG PACKAGES=""
RUN if [ -n "$PACKAGES" ]; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends $PACKAGES \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && mkdir --mode=1777 /cache \
    && mkdir /project
COPY --from=build /opt/nerq /opt/nerq
ENV PATH="/opt/nerq/bin:$PATH" HOME=/tmp NERQ_CACHE_DIR=/cache PYTHONDONTWRITEBYTECODE=1
VOLUME /cache
# No user of the host has this number. Any other works as well: --user "$(id -u)".
USER 65532:65532
WORKDIR /project
ENTRYPOINT ["nerq"]
CMD ["scan"]
