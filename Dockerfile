# For machines with an NVIDIA GPU. PyTorch's packages bring CUDA 13; the host brings the driver (580 or later) and the
# NVIDIA Container Toolkit.
#
#   docker build --tag tunebench .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" -v tunebench-cache:/cache tunebench demo
#
# /work holds what you mount: your models and data, and runs/ and reports/, which the command writes there.
# /cache keeps what is downloaded from the Hugging Face hub.
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
# A user given with --user has no entry in /etc/passwd, where Python would look for these.
ENV HOME=/cache HF_HOME=/cache/huggingface USER=tunebench
WORKDIR /source

# The packages first: they change less often than the code, and are gigabytes.
COPY requirements.lock requirements-cuda.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock -r requirements-cuda.lock

COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY conf conf
COPY bench bench
RUN pip install --no-deps --no-build-isolation . && pip check

# Any user can write to /cache: --user gives the files in /work the owner that started the container.
RUN useradd --no-create-home --home-dir /cache tunebench && mkdir --mode 1777 /cache && mkdir --mode 1777 /work
USER tunebench
WORKDIR /work
ENTRYPOINT ["tunebench"]
CMD ["--help"]
