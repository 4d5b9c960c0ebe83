# The Python environment, at Fission's paths and port. Build from the root of a checkout:
#   docker build -f deploy/images/python-env.Dockerfile -t spoor/python-env .
FROM python:3.13-slim
WORKDIR /app
COPY function/environment/python/requirements.txt ./
RUN pip install --no-cache-dir --no-deps -r requirements.txt && useradd --uid 1000 --create-home python
COPY deploy/images/entrypoint.sh ./
COPY function/environment/python/start.py ./
COPY function/environment/python/spoor_environment spoor_environment
# Fission mounts its volume here; v1 looks for /userfunc/user, and state.json remembers the function over a restart.
RUN python -m compileall -q spoor_environment && mkdir -p /userfunc /var/run/spoor && chown python /userfunc /var/run/spoor
USER python
EXPOSE 8888
# Tracing is on once SPOOR_JOURNAL_DIR names a volume shared with the agent: /var/run/spoor.
ENTRYPOINT ["./entrypoint.sh"]
CMD ["python", "start.py"]
