-- When the store took the span, ms: what was there when a search began can be told from what came while it was paged through,
-- and a trace that came late from one that was slow. 0 for spans from before this column.
ALTER TABLE spans {on_cluster} ADD COLUMN IF NOT EXISTS received DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3, 'UTC') CODEC(Delta(8), ZSTD(1));
ALTER TABLE spans {on_cluster} MATERIALIZE COLUMN received SETTINGS mutations_sync = 1;
ALTER TABLE spans {on_cluster} MODIFY COLUMN received DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta(8), ZSTD(1));
