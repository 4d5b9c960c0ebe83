import type { TopicDescription } from './queue.ts';

/** Where each topic ends and how far each group is behind, in Prometheus' text format (0.0.4). */
export function queueMetrics(topics: readonly TopicDescription[]): string {
  const ends: string[] = [];
  const committed: string[] = [];
  const lags: string[] = [];
  for (const { name, partitions, groups } of topics) {
    for (const { partition, startOffset, endOffset } of partitions) {
      const labels = `topic="${name}",partition="${partition}"`;
      ends.push(`spoor_topic_start_offset{${labels}} ${startOffset}`);
      ends.push(`spoor_topic_end_offset{${labels}} ${endOffset}`);
    }
    for (const { group, partitions: positions } of groups)
      for (const each of positions) {
        const labels = `group="${escaped(group)}",topic="${name}",partition="${each.partition}"`;
        committed.push(`spoor_consumer_group_committed_offset{${labels}} ${each.committed}`);
        lags.push(`spoor_consumer_group_lag{${labels}} ${each.lag}`);
      }
  }
  const family = (name: string, help: string, lines: readonly string[]) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...lines.filter((line) => line.startsWith(`${name}{`)),
  ];
  return `${[
    ...family('spoor_topic_start_offset', 'Offset of the oldest record kept.', ends),
    ...family('spoor_topic_end_offset', 'Offset the next record gets.', ends),
    ...family('spoor_consumer_group_committed_offset', 'Offset the group goes on with.', committed),
    ...family('spoor_consumer_group_lag', 'Records the group has not committed yet.', lags),
  ].join('\n')}\n`;
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
