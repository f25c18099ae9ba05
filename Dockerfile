# One image for each service: docker build --build-arg SERVICE=referrals -t vouch-referrals .
# the index of all platforms; docs/container-images.md says where it is from and how to renew it
ARG BASE=python:3.11-slim-bookworm@sha256:fe556eaffd0d96abd8685b83bb8a69addd0dc730fa193669a7df0d49ddcfac02

FROM ${BASE} AS build
ARG SERVICE
COPY services/${SERVICE}/requirements.lock /tmp/requirements.lock
RUN python -m venv --without-pip /venv \
 && python -m pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes -r /tmp/requirements.lock
WORKDIR /app
COPY contracts/ contracts/
COPY chassis/ chassis/
COPY libs/ libs/
COPY services/${SERVICE}/ services/${SERVICE}/
COPY web/dist/ web/dist/
# a library is used if the chassis or the service imports it; only the gateway serves the pages
RUN for library in libs/*/; do \
      grep -rqE "^ *(from|import) $(basename $library)\b" --include=*.py chassis services \
      || rm -r "$library"; \
    done \
 && if [ "${SERVICE}" != gateway ]; then rm -r web; fi

FROM ${BASE}
ARG SERVICE
ENV SERVICE=${SERVICE} \
    PATH=/venv/bin:$PATH \
    PYTHONPATH=/app/services:/app/libs:/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOG_FORMAT=json \
    HEALTH_HOST=0.0.0.0 \
    HEALTH_PORT=8080 \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_PORT=8080 \
    GATEWAY_INTERNAL_HOST=0.0.0.0 \
    GATEWAY_INTERNAL_PORT=9090 \
    DRAIN_SECONDS=10
# nothing can be installed into a running container
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin vouch \
 && python -m pip uninstall --yes --quiet --no-cache-dir pip setuptools wheel \
 && rm -rf /usr/local/lib/python3.11/ensurepip
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
# by number: Kubernetes cannot tell whether a name is root
USER 10001
# 9090: metrics of the gateway, for the internal network only
EXPOSE 8080 9090
# a volume that is mounted here is writable, as the folder of the image is, on Fargate too
VOLUME /tmp
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
# exec: SIGTERM reaches the service itself
CMD ["sh", "-c", "exec python -m ${SERVICE} run"]
