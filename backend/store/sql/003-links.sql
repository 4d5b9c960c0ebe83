-- Links in both directions: sorted by the span they point to, and by a projection found by the trace they start from. Only spans that have links pay for it.
CREATE TABLE IF NOT EXISTS links {on_cluster}
(
    to_trace_id FixedString(16) CODEC(ZSTD(1)),
    to_span_id FixedString(8) CODEC(ZSTD(1)),
    from_trace_id FixedString(16) CODEC(ZSTD(1)),
    from_span_id FixedString(8) CODEC(ZSTD(1)),
    from_service LowCardinality(String) CODEC(ZSTD(1)),
    from_start DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    attribute_types LowCardinality(String) CODEC(ZSTD(1)),
    INDEX ix_from_start from_start TYPE minmax GRANULARITY 1,
    PROJECTION by_from_trace (SELECT from_trace_id, _part_offset ORDER BY from_trace_id)
)
ENGINE = {engine:MergeTree}
PARTITION BY toDate(from_start)
ORDER BY (to_trace_id, to_span_id)
SETTINGS index_granularity = 1024;
