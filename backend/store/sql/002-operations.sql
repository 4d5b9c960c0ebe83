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

CREATE MATERIALIZED VIEW IF NOT EXISTS operations_of_spans {on_cluster} TO operations AS
SELECT service, name, kind, max(start) AS last_seen
FROM spans
GROUP BY service, name, kind;

-- The distinct resources: a filter by resource attribute asks this small table first.
CREATE TABLE IF NOT EXISTS resources {on_cluster}
(
    service LowCardinality(String),
    resource String CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(9, 'UTC'))
)
ENGINE = {engine:AggregatingMergeTree}
ORDER BY (service, resource);

CREATE MATERIALIZED VIEW IF NOT EXISTS resources_of_spans {on_cluster} TO resources AS
SELECT service, resource, max(start) AS last_seen
FROM spans
GROUP BY service, resource;
