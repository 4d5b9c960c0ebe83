-- What stands in `more` now is nowhere else. A migration of its own: 013, should it be cut off and begin again, needs the columns.
ALTER TABLE spans {on_cluster} MODIFY COLUMN more String DEFAULT '' CODEC(ZSTD(1));
ALTER TABLE spans {on_cluster}
    DROP COLUMN IF EXISTS `events.time`,
    DROP COLUMN IF EXISTS `events.name`,
    DROP COLUMN IF EXISTS `events.attributes`,
    DROP COLUMN IF EXISTS `events.attribute_types`,
    DROP COLUMN IF EXISTS `events.dropped_attributes`,
    DROP COLUMN IF EXISTS `links.trace_id`,
    DROP COLUMN IF EXISTS `links.span_id`,
    DROP COLUMN IF EXISTS `links.trace_state`,
    DROP COLUMN IF EXISTS `links.flags`,
    DROP COLUMN IF EXISTS `links.attributes`,
    DROP COLUMN IF EXISTS `links.attribute_types`,
    DROP COLUMN IF EXISTS `links.dropped_attributes`,
    DROP COLUMN IF EXISTS `trace_state`,
    DROP COLUMN IF EXISTS `scope_attributes`,
    DROP COLUMN IF EXISTS `dropped_attributes`,
    DROP COLUMN IF EXISTS `dropped_events`,
    DROP COLUMN IF EXISTS `dropped_links`;
ALTER TABLE archive {on_cluster} MODIFY COLUMN more String DEFAULT '' CODEC(ZSTD(1));
ALTER TABLE archive {on_cluster}
    DROP COLUMN IF EXISTS `events.time`,
    DROP COLUMN IF EXISTS `events.name`,
    DROP COLUMN IF EXISTS `events.attributes`,
    DROP COLUMN IF EXISTS `events.attribute_types`,
    DROP COLUMN IF EXISTS `events.dropped_attributes`,
    DROP COLUMN IF EXISTS `links.trace_id`,
    DROP COLUMN IF EXISTS `links.span_id`,
    DROP COLUMN IF EXISTS `links.trace_state`,
    DROP COLUMN IF EXISTS `links.flags`,
    DROP COLUMN IF EXISTS `links.attributes`,
    DROP COLUMN IF EXISTS `links.attribute_types`,
    DROP COLUMN IF EXISTS `links.dropped_attributes`,
    DROP COLUMN IF EXISTS `trace_state`,
    DROP COLUMN IF EXISTS `scope_attributes`,
    DROP COLUMN IF EXISTS `dropped_attributes`,
    DROP COLUMN IF EXISTS `dropped_events`,
    DROP COLUMN IF EXISTS `dropped_links`;
