-- Which span produced or consumed which record, by topic, partition and offset. Attribute names of both generations
-- (semantic conventions up to 1.24, and since) are read as one. -1: the span does not say.
CREATE TABLE IF NOT EXISTS messages {on_cluster}
(
    topic LowCardinality(String),
    `partition` Int32 CODEC(ZSTD(1)),
    `offset` Int64 CODEC(Delta(8), ZSTD(1)),
    start DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    service LowCardinality(String),
    name LowCardinality(String),
    kind UInt8 CODEC(ZSTD(1)),
    status UInt8 CODEC(ZSTD(1)),
    duration UInt64 CODEC(ZSTD(1)),
    record_key String CODEC(ZSTD(1)),
    has_key UInt8 CODEC(ZSTD(1)),
    consumer_group LowCardinality(String),
    INDEX ix_key record_key TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {engine:MergeTree}
PARTITION BY toDate(start)
ORDER BY (topic, `partition`, `offset`, start)
SETTINGS index_granularity = 1024;
