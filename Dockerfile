# glaciertime without torch, about 1.5 GB:
#
#     docker build -t glaciertime .
#     docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" glaciertime track --glacier Crane
#     docker run --rm -p 5006:5006 glaciertime dashboard --host 0.0.0.0
#
# With networks to train, or reports as PDF (scripts/check_recipes.py runs the lines of this file without Docker):
#
#     docker build -t glaciertime:train --build-arg EXTRAS=train,dashboard .
#     docker build -t glaciertime:pdf --build-arg EXTRAS=pdf --build-arg LIBRARIES="libexpat1 libpango-1.0-0 libpangoft2-1.0-0" .
FROM python:3.12-slim
ARG EXTRAS=dashboard
# libexpat1: the wheels of rasterio take it from the system
ARG LIBRARIES="libexpat1"
RUN apt-get update && apt-get install -y --no-install-recommends ${LIBRARIES} && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip install --no-cache-dir "/source[${EXTRAS}]" && rm -rf /source
# Whoever runs it need not be known to the system: what is kept between runs lies where anybody may write.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba PYTHONUNBUFFERED=1
WORKDIR /data
RUN chmod 1777 /data
USER 1000:1000
EXPOSE 5006
ENTRYPOINT ["glaciertime"]
CMD ["--help"]
