import type { Attributes, AttributeValue } from '@opentelemetry/api';
import type { Segment } from './journal-file.ts';

/**
 * What is the same in each START of a span that begins again and again: its name, kind and scope, and most of its attributes.
 * The writer keeps here how it laid that out in the segment it writes to, and copies it: a sixth of an invocation's tracing less, and
 * little code, which counts where a server's own has pushed ours out of the caches since the last request.
 */
export class StartForm {
  readonly name: string;
  /** OTLP's number. */
  readonly kind: number;
  readonly scope: string;
  readonly same: Attributes;
  /** Of the attributes that differ; their values come with each span, in this order. */
  readonly keys: readonly string[];
  /** At most so many attributes. */
  readonly size: number;

  /** The writer's: where it has been laid out once, and where that can be copied from. */
  seenIn: Segment | null = null;
  laidOutIn: Segment | null = null;
  /** The record's words up to the attributes that differ; the last fixed one counts those that are the same. */
  words = new Int32Array(0);
  bytes = 0;

  constructor(name: string, kind: number, scope: string, same: Attributes, keys: readonly string[]) {
    this.name = name;
    this.kind = kind;
    this.scope = scope;
    this.same = same;
    this.keys = keys;
    this.size = Object.keys(same).length + keys.length;
  }

  /** All of them as a span without a form would have them. */
  attributes(values: readonly AttributeValue[]): Attributes {
    const all: Attributes = { ...this.same };
    this.keys.forEach((key, i) => {
      if (values[i] !== undefined) all[key] = values[i];
    });
    return all;
  }
}
