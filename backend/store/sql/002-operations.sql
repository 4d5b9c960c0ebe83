-- Which services have which operations, and when each was last seen. The name is part of the key: without it merges lose
-- names (jaegertracing/jaeger#8906).
CREATE TABLE IF NOT EXISTS operations {on_cluster}
(
    service LowCardinality(String),
    name LowCardinality(String),
    kind UInt8,
    last_seen SimpleAggregateFunction(max, DateTime64(9, 'UTC'))
)
ENGINE = {engine:AggregatingMergeTree}
ORDER BY (service, name, kind);

-- The distinct resources: a filter by resource attribute asks this small table first.
CREATE TABLE IF NOT EXISTS resources {on_cluster}
(
    service LowCardinality(String),
    resource String CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(9, 'UTC'))
)
ENGINE = {engine:AggregatingMergeTree}
ORDER BY (service, resource);
