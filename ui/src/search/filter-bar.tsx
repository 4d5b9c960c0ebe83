import { Autocomplete, Button, Checkbox, CopyButton, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { operationsQuery } from '../api/queries.ts';
import { formatClock } from '../text/time.ts';
import { DEFAULT_SEARCH, LOOKBACKS, type SearchParams, writeSearch } from './params.ts';
import { QueryInput } from './query-input.tsx';
import { OpenFile } from '../trace/open-file.tsx';

const DURATION = /^$|^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/;

const RANGE = 'range';

function rangeText({ fromMs, toMs }: SearchParams): string {
  return `${formatClock(fromMs).slice(0, 8)} – ${formatClock(toMs).slice(0, 8)}`;
}

/** What is being typed is its own; it becomes the search, and the URL, when it is sent. */
export function FilterBar(props: {
  readonly search: SearchParams;
  readonly services: readonly string[];
  readonly busy: boolean;
  readonly live: 'off' | 'stream' | 'polling';
  readonly onSearch: (search: SearchParams) => void;
}) {
  const [draft, setDraft] = useState(props.search);
  const operations = useQuery(operationsQuery(props.services.includes(draft.service) ? draft.service : ''));
  const set = (change: Partial<SearchParams>) => setDraft({ ...draft, ...change });
  const durationError = (value: string) => (DURATION.test(value) ? undefined : 'such as 200ms or 1.5s');
  const wrong = durationError(draft.min) ?? durationError(draft.max);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!wrong) props.onSearch(draft);
  };
  const isRange = draft.fromMs > 0;
  const isDefault = JSON.stringify(draft) === JSON.stringify(DEFAULT_SEARCH);

  return (
    <form className="filterbar" aria-label="Search traces" onSubmit={submit}>
      <div>
        <Autocomplete
          className="f-service"
          size="xs"
          label="Function or service"
          placeholder="all"
          data={[...props.services]}
          value={draft.service}
          onChange={(service) =>
            set({ service, operation: service === draft.service ? draft.operation : '' })
          }
        />
        <Autocomplete
          className="f-operation"
          size="xs"
          label="Operation"
          placeholder="all"
          data={[...(operations.data ?? [])]}
          value={draft.operation}
          onChange={(operation) => set({ operation })}
        />
        <TextInput
          className="f-duration"
          classNames={{ input: 'mono' }}
          size="xs"
          label="Longer than"
          placeholder="200ms"
          error={durationError(draft.min)}
          value={draft.min}
          onChange={(event) => set({ min: event.currentTarget.value.trim() })}
        />
        <TextInput
          className="f-duration"
          classNames={{ input: 'mono' }}
          size="xs"
          label="Shorter than"
          placeholder="1.5s"
          error={durationError(draft.max)}
          value={draft.max}
          onChange={(event) => set({ max: event.currentTarget.value.trim() })}
        />
        <Select
          className="f-lookback"
          size="xs"
          label="Time"
          data={isRange ? [{ value: RANGE, label: rangeText(draft) }, ...LOOKBACKS] : LOOKBACKS}
          allowDeselect={false}
          value={isRange ? RANGE : String(draft.lookbackMinutes)}
          onChange={(value) => {
            if (value !== null && value !== RANGE)
              set({ lookbackMinutes: Number(value), fromMs: 0, toMs: 0, bySpan: false });
          }}
        />
        <Select
          className="f-limit"
          size="xs"
          label="Page of"
          data={['20', '50', '100', '500']}
          allowDeselect={false}
          value={String(draft.limit)}
          onChange={(value) => set({ limit: Number(value ?? DEFAULT_SEARCH.limit) })}
        />
        <Checkbox
          className="f-errors"
          size="xs"
          label="Errors only"
          checked={draft.errors}
          onChange={(event) => set({ errors: event.currentTarget.checked })}
        />
      </div>
      <div>
        <QueryInput
          value={draft.query}
          service={draft.service}
          services={props.services}
          operations={operations.data ?? []}
          lookbackMs={draft.lookbackMinutes * 60_000}
          onChange={(query) => set({ query })}
        />
        <div className="f-actions">
          <Button size="xs" type="submit" loading={props.busy}>
            Find
          </Button>
          <button
            type="button"
            className={`live live-${props.live}`}
            aria-pressed={props.search.live}
            title={
              props.live === 'polling'
                ? 'Asks every few seconds: this backend sends no stream'
                : 'Show traces as they arrive'
            }
            onClick={() =>
              props.onSearch({ ...draft, live: !props.search.live, fromMs: 0, toMs: 0, bySpan: false })
            }
          >
            <i /> Live
          </button>
          <CopyLink search={props.search} />
          <Button
            size="xs"
            variant="subtle"
            color="gray"
            disabled={isDefault}
            onClick={() => props.onSearch(DEFAULT_SEARCH)}
          >
            Reset
          </Button>
          <span className="f-file">
            <OpenFile />
          </span>
        </div>
      </div>
    </form>
  );
}

/** A link that finds the same tomorrow: the last hour becomes the hour that it was. */
function CopyLink({ search }: { readonly search: SearchParams }) {
  const link = () => {
    const toMs = search.toMs || Date.now();
    const fromMs = search.fromMs || toMs - search.lookbackMinutes * 60_000;
    // A search of the last hour finds by spans.
    const bySpan = search.fromMs === 0 || search.bySpan;
    const params = writeSearch({ ...search, fromMs, toMs, bySpan, live: false, lookbackMinutes: 60 });
    return `${location.origin}/search?${new URLSearchParams(
      Object.entries(params).map(([key, value]) => [key, String(value)]),
    ).toString()}`;
  };
  return (
    <CopyButton value={link()}>
      {({ copied, copy }) => (
        <Button
          size="xs"
          variant="subtle"
          color="gray"
          title="A link to this search in this very time"
          onClick={copy}
        >
          {copied ? 'Copied' : 'Copy link'}
        </Button>
      )}
    </CopyButton>
  );
}
