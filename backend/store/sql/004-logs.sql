-- Log records, read by time and, through the projection, by trace. `body` is typed JSON text (value-text.ts), '' when the record has none.
CREATE TABLE IF NOT EXISTS logs {on_cluster}
(
    trace_id FixedString(16) CODEC(ZSTD(1)),
    span_id FixedString(8) CODEC(ZSTD(1)),
    time DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    observed_time DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    severity_number UInt8 CODEC(ZSTD(1)),
    severity_text LowCardinality(String) CODEC(ZSTD(1)),
    service LowCardinality(String) CODEC(ZSTD(1)),
    body String CODEC(ZSTD(1)),
    attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attribute_types LowCardinality(String) CODEC(ZSTD(1)),
    resource LowCardinality(String) CODEC(ZSTD(1)),
    scope_name LowCardinality(String) CODEC(ZSTD(1)),
    scope_version LowCardinality(String) CODEC(ZSTD(1)),
    scope_attributes LowCardinality(String) CODEC(ZSTD(1)),
    INDEX ix_time time TYPE minmax GRANULARITY 1,
    PROJECTION by_trace (SELECT trace_id, _part_offset ORDER BY trace_id)
)
ENGINE = {engine:MergeTree}
PARTITION BY toDate(time)
ORDER BY (toStartOfMinute(time), service, time)
SETTINGS index_granularity = 1024;
