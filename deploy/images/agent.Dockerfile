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
ENTRYPOINT ["node", "cli/main.ts", "agent"]
