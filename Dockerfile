# The server's image. It uses the store at HANDOFF_STORE_URL, or the embedded Valkey in the volume /data.
#
#   docker build -t handoff .
#   docker run -p 127.0.0.1:8080:8080 -v handoff:/data -e HANDOFF_ADMIN_TOKEN=… handoff
#   docker run -p 127.0.0.1:8080:8080 -v ./handoff.toml:/etc/handoff.toml:ro -e HANDOFF_STORE_URL=redis://… \
#       handoff serve --config /etc/handoff.toml

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY config config
COPY handoff handoff
COPY adapters adapters
RUN python -m venv /opt/handoff \
    && /opt/handoff/bin/pip install --no-cache-dir --disable-pip-version-check \
       --constraint constraints.txt '.[embedded]'

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="conversation-handoff" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 handoff \
    && useradd --system --uid 10001 --gid handoff --home-dir /data --shell /usr/sbin/nologin handoff \
    && install --directory --owner=handoff --group=handoff --mode=0700 /data
COPY --from=build /opt/handoff /opt/handoff
ENV PATH="/opt/handoff/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HANDOFF_SERVER_HOST=0.0.0.0 \
    HANDOFF_SERVER_PORT=8080 \
    HANDOFF_STORE_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 2525
# The server handles SIGTERM itself, without a shell or init, and finishes requests in flight within 8 s. It waits
# for its only child, the embedded Valkey. Give it `--stop-timeout 25`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['HANDOFF_SERVER_PORT']), timeout=5); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["handoff"]
CMD ["serve"]
