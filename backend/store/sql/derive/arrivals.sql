-- Rows of `arrivals` from a block of spans: what tail sampling decides by.
SELECT
    trace_id,
    min(toUInt64(toUnixTimestamp64Nano(start))) AS first_start,
    max(toUInt64(toUnixTimestamp64Nano(start)) + duration) AS last_end,
    count() AS spans,
    countIf(status = 2) AS errors,
    groupUniqArray(64)(cityHash64(service, name, kind)) AS operations
FROM {block}
GROUP BY trace_id
