#!/bin/sh
# SPOOR_JOURNAL_DIR, a volume shared with the agent, switches tracing on. Each start of a container has a journal of its own:
# the one of a container that died is the agent's to finish.
export SPOOR_INSTANCE_ID="${SPOOR_INSTANCE_ID:-$(hostname)}"
if [ -n "$SPOOR_JOURNAL_DIR" ] && [ -z "$SPOOR_JOURNAL" ]; then
  # Whoever starts in this container is the witness that nothing runs any more of what ran in it before (docs/journal.md, "End file").
  for left in "$SPOOR_JOURNAL_DIR/$SPOOR_INSTANCE_ID"-*.journal; do
    end="${left%.journal}.end"
    if [ ! -e "$left" ] || [ -e "$end" ]; then continue; fi
    printf '{"reason":"lost","timeUnixNano":"%s","message":"the container ended and was started again"}' "$(date +%s)000000000" >"$end.tmp"
    mv "$end.tmp" "$end"
  done
  export SPOOR_JOURNAL="$SPOOR_JOURNAL_DIR/$SPOOR_INSTANCE_ID-$(cat /proc/sys/kernel/random/uuid).journal"
fi
exec "$@"
