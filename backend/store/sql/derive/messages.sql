-- Rows of `messages` from a block of spans.
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
FROM {block}
WHERE kind IN (4, 5) AND topic != ''
