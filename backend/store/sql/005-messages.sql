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

CREATE MATERIALIZED VIEW IF NOT EXISTS messages_of_spans {on_cluster} TO messages AS
SELECT
    if(attributes['messaging.destination.name'] != '', attributes['messaging.destination.name'], attributes['messaging.destination']) AS topic,
    toInt32OrDefault(if(
        attributes['messaging.destination.partition.id'] != '', attributes['messaging.destination.partition.id'],
        if(attributes['messaging.kafka.destination.partition'] != '', attributes['messaging.kafka.destination.partition'], attributes['messaging.kafka.partition'])
    ), toInt32(-1)) AS `partition`,
    toInt64OrDefault(if(
        attributes['messaging.kafka.offset'] != '', attributes['messaging.kafka.offset'], attributes['messaging.kafka.message.offset']
    ), toInt64(-1)) AS `offset`,
    start, trace_id, span_id, service, name, kind, status, duration,
    if(mapContains(attributes, 'messaging.kafka.message.key'), attributes['messaging.kafka.message.key'], attributes['messaging.kafka.message_key']) AS record_key,
    mapContains(attributes, 'messaging.kafka.message.key') OR mapContains(attributes, 'messaging.kafka.message_key') AS has_key,
    multiIf(
        attributes['messaging.consumer.group.name'] != '', attributes['messaging.consumer.group.name'],
        attributes['messaging.kafka.consumer.group'] != '', attributes['messaging.kafka.consumer.group'],
        attributes['messaging.kafka.consumer_group']
    ) AS consumer_group
FROM spans
WHERE kind IN (4, 5) AND topic != '';
