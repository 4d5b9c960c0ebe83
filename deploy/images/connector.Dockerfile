# The Kafka trigger, in place of Fission's KEDA connector. Build from the root of a checkout:
#   docker build -f deploy/images/connector.Dockerfile -t spoor/connector .
FROM node:24-slim
WORKDIR /spoor
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY cli cli
COPY server server
COPY function function
COPY platform platform
COPY backend backend
RUN mkdir -p /var/lib/spoor && chown node:node /var/lib/spoor
USER node
ENV SPOOR_DATA=/var/lib/spoor
# Fission sets TOPIC, HTTP_ENDPOINT and what a trigger's metadata names.
ENTRYPOINT ["node", "cli/main.ts", "connector"]
