-- Rows of `spans` from a block of which none have.
SELECT
    trace_id, span_id, parent_span_id, service, name, kind, status, status_message, start, duration, attributes, attribute_types,
    resource, scope_name, scope_version, flags,
    '' AS more
FROM {block}
