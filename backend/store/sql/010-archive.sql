-- Traces that somebody wants to keep: no days, so that retention, which drops whole days, passes them by.
CREATE TABLE IF NOT EXISTS archive {on_cluster} AS spans ENGINE = {engine:MergeTree} PARTITION BY tuple() ORDER BY (trace_id, span_id);
