import { greeting } from '../../backend/query/test/greetings.ts';
import type { SpanData } from '../../function/span/span-data.ts';

export const TRACE = 'c'.repeat(32);
export const LARGE_TRACE = 'b'.repeat(32);
export const LARGE = 50_000;
export const MARKUP = '<img src=x onerror=alert(1)>';
const YEAR_NANO = 365n * 86_400n * 1_000_000_000n;

export const idOf = (n: number) => n.toString(16).padStart(16, '0');

/**
 * Ten spans with markup in every field, 10,000 attributes and one of a megabyte, text that runs from right to left or cannot be seen, a
 * ring, an orphan, several roots, an end before a start, years in the future, and an id that comes twice.
 */
export function hostileTrace(): SpanData[] {
  const start = BigInt(Date.now() - 60_000) * 1_000_000n;
  const like = greeting(1, start, 'crash')[5] as SpanData;
  const span = (n: number, over: Partial<SpanData>): SpanData => ({
    ...like,
    traceId: TRACE,
    spanId: idOf(n),
    parentSpanId: '',
    links: [],
    events: [],
    attributes: {},
    ...over,
  });
  return [
    span(1, {
      name: MARKUP,
      resource: { 'service.name': '<script>alert(1)</script>\u202e' },
      attributes: {
        '<b>key</b>': '<svg onload=alert(2)>',
        big: 'x'.repeat(1_000_000),
        '\u202ertl\u200b': '\u202eevil\u200b',
        'https://a/?<i>': 'javascript:alert(3)',
        ...Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, BigInt(i)])),
      },
      events: [
        {
          name: MARKUP,
          timeUnixNano: 0n,
          attributes: { '<b>': MARKUP.repeat(1_000), 'exception.stacktrace': '<script>alert(4)</script>' },
          droppedAttributesCount: 0,
        },
      ],
    }),
    span(2, {
      name: 'ends first',
      parentSpanId: idOf(1),
      endTimeUnixNano: like.startTimeUnixNano - 5_000_000_000n,
    }),
    span(3, {
      name: 'years in the future',
      startTimeUnixNano: start + 3n * YEAR_NANO,
      endTimeUnixNano: start + 3n * YEAR_NANO + 5_000_000n,
    }),
    span(4, { name: 'ring a', parentSpanId: idOf(5) }),
    span(5, { name: 'ring b', parentSpanId: idOf(4) }),
    span(6, { name: 'orphan', parentSpanId: 'f'.repeat(16) }),
    span(7, { name: '' }),
    span(8, { name: '\u200b\u2060\ufeff' }),
    span(9, { name: '\u202eesrever \u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627' }),
    span(9, { name: 'the same id' }),
    span(10, { name: 'w'.repeat(20_000), resource: { 'service.name': 's'.repeat(5_000) } }),
  ];
}

/** A tree of `LARGE` spans, five children to a span. */
export function largeTrace(): SpanData[] {
  const base = greeting(1, BigInt(Date.now() - 600_000) * 1_000_000n, 'crash');
  return Array.from({ length: LARGE }, (_, i) => {
    const startTimeUnixNano = (base[0] as SpanData).startTimeUnixNano + BigInt(i) * 10_000n;
    return {
      ...(base[i % base.length] as SpanData),
      traceId: LARGE_TRACE,
      spanId: idOf(i + 1),
      parentSpanId: i === 0 ? '' : idOf(Math.floor((i - 1) / 5) + 1),
      links: [],
      startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + 30_000_000n,
    };
  });
}
