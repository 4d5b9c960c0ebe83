# The backend: collector, store, queries and screens. Build from the root of a checkout:
#   docker build -f deploy/images/backend.Dockerfile -t spoor/backend .
FROM node:24-slim AS build
WORKDIR /spoor
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY ui ui
COPY backend backend
COPY function function
COPY server server
RUN npm run build:ui

FROM node:24-slim
WORKDIR /spoor
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY cli cli
COPY server server
COPY function function
COPY platform platform
COPY backend backend
COPY --from=build /spoor/ui/dist ui/dist
RUN mkdir -p /var/lib/spoor && chown node:node /var/lib/spoor
USER node
# A volume of its own: what is stored is here, unless CLICKHOUSE_URL names a server.
ENV SPOOR_DATA=/var/lib/spoor
EXPOSE 16686 4317 4318
# SPOOR_TOKEN has to be set: it does not listen to other machines without one.
ENTRYPOINT ["node", "cli/main.ts", "backend"]
CMD ["--host", "0.0.0.0"]
