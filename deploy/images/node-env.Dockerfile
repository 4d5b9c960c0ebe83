# The Node environment, at Fission's paths and port. Build from the root of a checkout:
#   docker build -f deploy/images/node-env.Dockerfile -t spoor/node-env .
FROM node:24-slim AS build
WORKDIR /spoor
COPY package.json package-lock.json ./
RUN npm ci
COPY function/span function/span
COPY function/environment/node function/environment/node
# One file, which starts in half the time of the many it is made of, and one that the threads of a function load.
RUN node --input-type=module -e "import { environmentProgram } from './function/environment/node/bundle.ts'; import { threadProgram } from './function/environment/node/thread-data.ts'; import { copyFileSync } from 'node:fs'; const program = await environmentProgram(); copyFileSync(program, 'environment.cjs'); copyFileSync(threadProgram(program), 'environment.thread.cjs')"

FROM node:24-slim
WORKDIR /app
# What functions may import without bringing it along, and what is loaded only when it is asked for.
COPY deploy/images/node-env.package.json package.json
RUN npm install --omit=dev --no-audit --no-fund && npm cache clean --force
COPY --from=build /spoor/environment.cjs /spoor/environment.thread.cjs ./
COPY deploy/images/entrypoint.sh ./
# Fission mounts its volume here; v1 looks for /userfunc/user.
RUN mkdir -p /userfunc /var/run/spoor && chown node:node /userfunc /var/run/spoor
USER node
EXPOSE 8888
# Tracing is on once SPOOR_JOURNAL_DIR names a volume shared with the agent: /var/run/spoor.
ENTRYPOINT ["./entrypoint.sh"]
CMD ["node", "environment.cjs"]
