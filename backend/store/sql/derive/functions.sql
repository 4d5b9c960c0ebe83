-- Rows of `functions` from a block of spans.
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
FROM {block}
WHERE kind IN (2, 3) AND function != ''
GROUP BY minute, function
