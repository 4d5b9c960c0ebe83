# The agent: a sidecar, or one per node, that takes journals from a shared volume to the collector. Build from the root of a
# checkout:
#   docker build -f deploy/images/agent.Dockerfile -t spoor/agent .
FROM node:24-slim
WORKDIR /spoor
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY cli cli
COPY server server
COPY function function
COPY platform platform
COPY backend backend
RUN mkdir -p /var/run/spoor /var/lib/spoor && chown node:node /var/run/spoor /var/lib/spoor
USER node
# Its spool: a volume of its own, if what is not delivered yet must outlive the pod.
ENV SPOOR_DATA=/var/lib/spoor
ENTRYPOINT ["node", "cli/main.ts", "agent"]
# The functions' pids are those of other containers.
CMD ["--journals", "/var/run/spoor", "--pid-namespace", "separate"]
