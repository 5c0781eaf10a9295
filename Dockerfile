# syncengine in an image: `docker build -t syncengine .`, then `docker run syncengine VERB ...`
#
# Everything is installed from wheels and by hash. A new base image needs its tag and its
# digest changed together, in both stages.

# The first stage builds our own wheel: the tools for that stay out of the image.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build

WORKDIR /src
COPY requirements-dev.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --no-deps -r requirements-dev.lock
COPY pyproject.toml README.md LICENSE ./
COPY syncengine syncengine
COPY migrations migrations
COPY config config
RUN python -m hatchling build -t wheel -d /wheel

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

# The packages come before our wheel, so that a new version of ours reuses their layer.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY --from=build /wheel /wheel
RUN pip install --no-cache-dir --no-index --no-deps /wheel/*.whl

# Nothing that the command does needs root.
RUN useradd --create-home syncengine
USER syncengine
WORKDIR /home/syncengine
ENTRYPOINT ["syncengine"]
