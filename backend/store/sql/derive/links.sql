-- Rows of `links` from a block of spans.
SELECT
    link_trace_id AS to_trace_id,
    link_span_id AS to_span_id,
    trace_id AS from_trace_id,
    span_id AS from_span_id,
    service AS from_service,
    start AS from_start,
    link_attributes AS attributes,
    link_attribute_types AS attribute_types
FROM (
    SELECT
        trace_id, span_id, service, start,
        `links.trace_id` AS link_trace_ids,
        `links.span_id` AS link_span_ids,
        `links.attributes` AS links_attributes,
        `links.attribute_types` AS links_attribute_types
    FROM {block}
)
ARRAY JOIN
    link_trace_ids AS link_trace_id,
    link_span_ids AS link_span_id,
    links_attributes AS link_attributes,
    links_attribute_types AS link_attribute_types
