-- What came of each trace, a row per block of spans, only while tail sampling is on and until it has decided: sorted by trace,
-- where the spans lie by time. The sampler drops its partitions itself.
CREATE TABLE IF NOT EXISTS arrivals {on_cluster}
(
    received DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta(8), ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    first_start UInt64 CODEC(ZSTD(1)),
    last_end UInt64 CODEC(ZSTD(1)),
    spans UInt64 CODEC(ZSTD(1)),
    errors UInt64 CODEC(ZSTD(1)),
    operations Array(UInt64) CODEC(ZSTD(1))
)
ENGINE = {engine:MergeTree}
PARTITION BY toStartOfTenMinutes(received)
ORDER BY trace_id
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000;

-- What was decided, and with what probability a trace like this one is kept: 1 / probability is how many it stands for.
-- `received_until`: the decision speaks of spans that were stored by then, and takes no others away.
CREATE TABLE IF NOT EXISTS sampled {on_cluster}
(
    trace_id FixedString(16) CODEC(ZSTD(1)),
    received_until DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    kept UInt8 CODEC(ZSTD(1)),
    policy LowCardinality(String) CODEC(ZSTD(1)),
    probability Float64 CODEC(ZSTD(1)),
    spans UInt64 CODEC(ZSTD(1))
)
ENGINE = {engine:MergeTree}
PARTITION BY toDate(received_until)
ORDER BY (toStartOfTenMinutes(received_until), trace_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000;
