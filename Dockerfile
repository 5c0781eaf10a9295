# syncengine in an image: `docker build -t syncengine .`, then `docker run syncengine VERB ...`
FROM python:3.13-slim

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock

# The project itself needs nothing more: even its build backend is in the lock.
COPY pyproject.toml README.md ./
COPY syncengine syncengine
COPY migrations migrations
COPY config config
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

RUN useradd --create-home syncengine
USER syncengine
WORKDIR /home/syncengine
ENTRYPOINT ["syncengine"]
