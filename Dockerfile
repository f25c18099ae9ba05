# One image for each service: docker build --build-arg SERVICE=referrals -t vouch-referrals .
FROM python:3.11-slim AS wheels
ARG SERVICE
COPY services/${SERVICE}/requirements.lock /tmp/requirements.lock
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements.lock

FROM python:3.11-slim
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
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin vouch
WORKDIR /app
COPY --from=wheels /venv /venv
COPY contracts/ contracts/
COPY chassis/ chassis/
COPY libs/ libs/
COPY services/${SERVICE}/ services/${SERVICE}/
# the pages, which the gateway serves
COPY web/dist/ web/dist/
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
