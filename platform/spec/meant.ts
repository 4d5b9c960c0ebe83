/** `. Did you mean 'hello'?` when a name is at most two letters away, else nothing. */
export function meant(name: string, names: readonly string[]): string {
  const near = names
    // What differs more in length alone is another name, however long a stranger makes it.
    .filter((known) => Math.abs(known.length - name.length) <= MOST_LETTERS)
    .map((known) => ({ known, distance: distanceOf(name.toLowerCase(), known.toLowerCase()) }))
    .filter(({ known, distance }) => distance <= MOST_LETTERS && distance < known.length / 2)
    .sort((a, b) => a.distance - b.distance)[0];
  return near === undefined ? '' : `. Did you mean '${near.known}'?`;
}

const MOST_LETTERS = 2;

/** Levenshtein's: letters to put in, take out or change. */
function distanceOf(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1)
      row.push(
        Math.min(
          (above[j] as number) + 1,
          (row[j - 1] as number) + 1,
          (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      );
    above = row;
  }
  return above[b.length] as number;
}
