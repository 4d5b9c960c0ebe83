import { Autocomplete } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { attributesQuery } from '../api/queries.ts';
import { suggestionsFor, termAt } from './completion.ts';

const SETTLE_MS = 150;

/** The query, completed with the keys and values that the spans of this time have. Typing never waits for them. */
export function QueryInput(props: {
  readonly value: string;
  readonly service: string;
  readonly services: readonly string[];
  readonly operations: readonly string[];
  readonly lookbackMs: number;
  readonly onChange: (query: string) => void;
}) {
  const [settled] = useDebouncedValue(props.value, SETTLE_MS);
  const asked = termAt(settled);
  const own =
    asked?.kind === 'value'
      ? ({ service: props.services, name: props.operations } as Record<string, readonly string[]>)[asked.key]
      : undefined;
  const found = useQuery({
    ...attributesQuery({
      service: props.service,
      key: asked?.kind === 'value' ? asked.key : '',
      prefix: asked?.prefix ?? '',
      lookbackMs: props.lookbackMs,
    }),
    enabled: asked !== undefined && own === undefined,
  });
  const term = termAt(props.value);
  const known = own?.filter((text) => text.startsWith(asked?.prefix ?? '')) ?? found.data ?? [];
  const suggestions = term && asked && term.head === asked.head ? suggestionsFor(term, known) : [];
  const shown = new Map(suggestions.map(({ query, shown: text }) => [query, text]));
  return (
    <Autocomplete
      className="f-tags"
      classNames={{ input: 'mono', option: 'mono' }}
      size="xs"
      label="Query"
      placeholder="http.route:/greetings AND (error OR duration>200ms)"
      spellCheck={false}
      data={suggestions.map(({ query }) => query)}
      // They are of the words that were typed already.
      filter={({ options }) => options}
      renderOption={({ option }) => <span>{shown.get(option.value) ?? option.value}</span>}
      maxDropdownHeight={260}
      value={props.value}
      onChange={props.onChange}
    />
  );
}
