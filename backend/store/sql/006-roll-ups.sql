-- Rate, errors and duration by the minute. `durations` is an exponential histogram: bucket floor(16 * log2(ns)) and its
-- count, which merges exactly, is small when spans are few, and gives any quantile within 2.2 %.
CREATE TABLE IF NOT EXISTS red {on_cluster}
(
    minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    service LowCardinality(String),
    name LowCardinality(String),
    kind UInt8 CODEC(ZSTD(1)),
    spans SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    errors SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    durations SimpleAggregateFunction(sumMap, Tuple(Array(UInt16), Array(UInt64))) CODEC(ZSTD(1))
)
ENGINE = {engine:AggregatingMergeTree}
PARTITION BY toDate(minute)
ORDER BY (service, name, kind, minute)
SETTINGS index_granularity = 1024;

-- The same per function: its own spans (SERVER, faas.name) say how often and how long it ran, its callers' (CLIENT,
-- faas.invoked_name) which calls were repeated or given up.
CREATE TABLE IF NOT EXISTS functions {on_cluster}
(
    minute DateTime('UTC') CODEC(Delta(4), ZSTD(1)),
    function LowCardinality(String),
    invocations SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    errors SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    cold_starts SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    timeouts SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    retries SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    durations SimpleAggregateFunction(sumMap, Tuple(Array(UInt16), Array(UInt64))) CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(9, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = {engine:AggregatingMergeTree}
PARTITION BY toDate(minute)
ORDER BY (function, minute)
SETTINGS index_granularity = 1024;
