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

CREATE MATERIALIZED VIEW IF NOT EXISTS red_of_spans {on_cluster} TO red AS
SELECT
    minute, service, name, kind,
    sum(in_bucket) AS spans, sum(errors_in_bucket) AS errors,
    sumMap(([bucket], [in_bucket])) AS durations
FROM (
    SELECT
        toStartOfMinute(start, 'UTC') AS minute, service, name, kind,
        toUInt16(floor(16 * log2(greatest(duration, 1)))) AS bucket,
        count() AS in_bucket, countIf(status = 2) AS errors_in_bucket
    FROM spans
    GROUP BY minute, service, name, kind, bucket
)
GROUP BY minute, service, name, kind;

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

CREATE MATERIALIZED VIEW IF NOT EXISTS functions_of_spans {on_cluster} TO functions AS
SELECT
    toStartOfMinute(start, 'UTC') AS minute,
    attributes[if(kind = 2, 'faas.name', 'faas.invoked_name')] AS function,
    countIf(kind = 2) AS invocations,
    countIf(kind = 2 AND status = 2) AS errors,
    countIf(kind = 2 AND attributes['faas.coldstart'] = 'true') AS cold_starts,
    countIf(kind = 3 AND attributes['error.type'] = 'function_timeout') AS timeouts,
    countIf(kind = 3 AND toUInt32OrZero(attributes['spoor.attempt']) > 1) AS retries,
    sumMapIf(([toUInt16(floor(16 * log2(greatest(duration, 1))))], [toUInt64(1)]), kind = 2) AS durations,
    max(start) AS last_seen
FROM spans
WHERE kind IN (2, 3) AND function != ''
GROUP BY minute, function;
