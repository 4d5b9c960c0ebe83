-- What most spans lack stands in one text, '' where there is none of it: a trace is read from 30 files of a part in place of 72.
-- JSON, an array: of the events their times (ns), names, keys, values, attribute types and dropped attributes; of the links
-- trace ids, span ids, trace states, flags, keys, values, attribute types and dropped attributes; then trace state, scope
-- attributes, and dropped attributes, events and links of the span.
-- It is made once of what was written before (derive/packed-spans.sql makes it since), and then takes the place of those columns (014).
ALTER TABLE spans {on_cluster} ADD COLUMN IF NOT EXISTS more String DEFAULT
    if(
        empty(`events.time`) AND empty(`links.trace_id`) AND trace_state = '' AND scope_attributes = ''
            AND dropped_attributes = 0 AND dropped_events = 0 AND dropped_links = 0,
        '',
        toJSONString((
            arrayMap(time -> toString(toUnixTimestamp64Nano(time)), `events.time`), `events.name`,
            arrayMap(each -> mapKeys(each), `events.attributes`), arrayMap(each -> mapValues(each), `events.attributes`),
            `events.attribute_types`, `events.dropped_attributes`,
            arrayMap(id -> lower(hex(id)), `links.trace_id`), arrayMap(id -> lower(hex(id)), `links.span_id`),
            `links.trace_state`, `links.flags`,
            arrayMap(each -> mapKeys(each), `links.attributes`), arrayMap(each -> mapValues(each), `links.attributes`),
            `links.attribute_types`, `links.dropped_attributes`,
            trace_state, scope_attributes, dropped_attributes, dropped_events, dropped_links
        ))
    ) CODEC(ZSTD(1));
ALTER TABLE archive {on_cluster} ADD COLUMN IF NOT EXISTS more String DEFAULT
    if(
        empty(`events.time`) AND empty(`links.trace_id`) AND trace_state = '' AND scope_attributes = ''
            AND dropped_attributes = 0 AND dropped_events = 0 AND dropped_links = 0,
        '',
        toJSONString((
            arrayMap(time -> toString(toUnixTimestamp64Nano(time)), `events.time`), `events.name`,
            arrayMap(each -> mapKeys(each), `events.attributes`), arrayMap(each -> mapValues(each), `events.attributes`),
            `events.attribute_types`, `events.dropped_attributes`,
            arrayMap(id -> lower(hex(id)), `links.trace_id`), arrayMap(id -> lower(hex(id)), `links.span_id`),
            `links.trace_state`, `links.flags`,
            arrayMap(each -> mapKeys(each), `links.attributes`), arrayMap(each -> mapValues(each), `links.attributes`),
            `links.attribute_types`, `links.dropped_attributes`,
            trace_state, scope_attributes, dropped_attributes, dropped_events, dropped_links
        ))
    ) CODEC(ZSTD(1));
ALTER TABLE spans {on_cluster} MATERIALIZE COLUMN more SETTINGS mutations_sync = 1;
ALTER TABLE archive {on_cluster} MATERIALIZE COLUMN more SETTINGS mutations_sync = 1;
