#!/bin/sh
# SPOOR_JOURNAL_DIR, a volume shared with the agent, switches tracing on. Each start of a container has a journal of its own:
# the one of a container that died is the agent's to finish.
export SPOOR_INSTANCE_ID="${SPOOR_INSTANCE_ID:-$(hostname)}"
if [ -n "$SPOOR_JOURNAL_DIR" ] && [ -z "$SPOOR_JOURNAL" ]; then
  export SPOOR_JOURNAL="$SPOOR_JOURNAL_DIR/$SPOOR_INSTANCE_ID-$(cat /proc/sys/kernel/random/uuid).journal"
fi
exec "$@"
