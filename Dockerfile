FROM python:3.11-slim
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY events events
COPY contracts contracts
COPY connectors connectors
COPY services services
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && useradd --create-home liandong && install -d -o liandong /data
USER liandong
VOLUME /data
