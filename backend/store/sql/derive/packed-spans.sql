-- Rows of `spans` from a block of which some have events, links or another of what most spans lack: `more` as in
-- 013-rare-fields-together.sql.
SELECT
    trace_id, span_id, parent_span_id, service, name, kind, status, status_message, start, duration, attributes, attribute_types,
    resource, scope_name, scope_version, flags,
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
    ) AS more
FROM {block}
