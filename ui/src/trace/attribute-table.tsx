import { Fragment, useState } from 'react';
import type { OtlpKeyValue } from '../../../backend/query/shapes.ts';
import { formatValue, typeOf } from '../text/value.ts';

/** More rows than this, and longer values than this, wait for a click: a span may carry 10,000 attributes or a megabyte in one. */
const FIRST_ROWS = 60;
const FIRST_CHARACTERS = 600;
const MOST_KEY_PARTS = 20;

/** Keys and values, by key. Values are text and never markup; their direction is their own. */
export function AttributeTable({ attributes }: { readonly attributes: readonly OtlpKeyValue[] }) {
  const [all, setAll] = useState(false);
  const sorted = attributes.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const shown = all ? sorted : sorted.slice(0, FIRST_ROWS);
  return (
    <>
      <table className="attributes">
        <tbody>
          {shown.map((attribute, i) => (
            <tr key={i}>
              <th scope="row" className="mono">
                <Key text={attribute.key} />
              </th>
              <td className="mono">
                <Value attribute={attribute} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < sorted.length && (
        <button type="button" className="linkish" onClick={() => setAll(true)}>
          Show all {sorted.length}
        </button>
      )}
    </>
  );
}

/** Breaks after its dots rather than inside a word. */
function Key({ text }: { readonly text: string }) {
  const parts = text.split(/(?<=[./])/, MOST_KEY_PARTS);
  if (parts.length === MOST_KEY_PARTS) return <bdi>{text}</bdi>;
  return (
    <bdi>
      {parts.map((part, i) => (
        <Fragment key={i}>
          {part}
          <wbr />
        </Fragment>
      ))}
    </bdi>
  );
}

function Value({ attribute }: { readonly attribute: OtlpKeyValue }) {
  const [whole, setWhole] = useState(false);
  const text = formatValue(attribute.value);
  const type = typeOf(attribute.value);
  const isLong = text.length > FIRST_CHARACTERS;
  return (
    <>
      <bdi>{isLong && !whole ? `${text.slice(0, FIRST_CHARACTERS)}…` : text}</bdi>
      {type !== '' && <span className="value-type">{type}</span>}
      {isLong && !whole && (
        <button type="button" className="linkish" onClick={() => setWhole(true)}>
          all {text.length} characters
        </button>
      )}
    </>
  );
}
