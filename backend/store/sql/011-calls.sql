-- Calls between services by the minute (calls.ts): one row a minute, whole, so that a minute is kept or it is not, and the newest
-- version of it holds. `seen`: how many rows of spans, links and messages the minute had when everything that is counted here last
-- took them in; another number now says that there are more. `counted`: its own calls are counted. An edge is
-- one place in the five arrays: `topic` 1 has a topic for its child, 2 for its parent, and `direct` are the calls past no producer.
CREATE TABLE IF NOT EXISTS calls {on_cluster}
(
    minute DateTime('UTC'),
    version UInt64,
    seen UInt64,
    counted UInt8,
    parent Array(LowCardinality(String)) CODEC(ZSTD(1)),
    child Array(LowCardinality(String)) CODEC(ZSTD(1)),
    topic Array(UInt8) CODEC(ZSTD(1)),
    calls Array(UInt64) CODEC(ZSTD(1)),
    direct Array(UInt64) CODEC(ZSTD(1))
)
ENGINE = {engine:ReplacingMergeTree}(version)
PARTITION BY toDate(minute)
ORDER BY minute
SETTINGS index_granularity = 256, auto_statistics_types = '';

-- How many rows a minute has, kept with each part and so never wrong.
ALTER TABLE spans {on_cluster} ADD PROJECTION IF NOT EXISTS by_minute (SELECT toStartOfMinute(start), count() GROUP BY toStartOfMinute(start));
ALTER TABLE spans {on_cluster} MATERIALIZE PROJECTION by_minute;
ALTER TABLE links {on_cluster} ADD PROJECTION IF NOT EXISTS by_minute (SELECT toStartOfMinute(from_start), count() GROUP BY toStartOfMinute(from_start));
ALTER TABLE links {on_cluster} MATERIALIZE PROJECTION by_minute;
ALTER TABLE messages {on_cluster} ADD PROJECTION IF NOT EXISTS by_minute (SELECT toStartOfMinute(start), count() GROUP BY toStartOfMinute(start));
ALTER TABLE messages {on_cluster} MATERIALIZE PROJECTION by_minute;
