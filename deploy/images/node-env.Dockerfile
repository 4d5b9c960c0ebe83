# The Node environment, at Fission's paths and port. Build from the root of a checkout:
#   docker build -f deploy/images/node-env.Dockerfile -t spoor/node-env .
FROM node:24-slim AS build
WORKDIR /spoor
COPY package.json package-lock.json ./
RUN npm ci
COPY function/span function/span
COPY function/environment/node function/environment/node
# One file, which starts in half the time of the many it is made of.
RUN node --input-type=module -e "import { environmentProgram } from './function/environment/node/bundle.ts'; import { copyFileSync } from 'node:fs'; copyFileSync(await environmentProgram(), 'environment.cjs')"

FROM node:24-slim
WORKDIR /app
# What functions may import without bringing it along, and what is loaded only when it is asked for.
COPY deploy/images/node-env.package.json package.json
RUN npm install --omit=dev --no-audit --no-fund && npm cache clean --force
COPY --from=build /spoor/environment.cjs ./
COPY deploy/images/entrypoint.sh ./
# Fission mounts its volume here; v1 looks for /userfunc/user.
RUN mkdir -p /userfunc /var/run/spoor && chown node:node /userfunc /var/run/spoor
USER node
EXPOSE 8888
# Tracing is on once SPOOR_JOURNAL_DIR names a volume shared with the agent: /var/run/spoor.
ENTRYPOINT ["./entrypoint.sh"]
CMD ["node", "environment.cjs"]
