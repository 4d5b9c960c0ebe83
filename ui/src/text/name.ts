/** What stands for a name: nothing visible (spaces, zero-width and control characters) is said to be none. */
export function showName(name: string): string {
  return /^[\s\p{C}]*$/u.test(name) ? '(no name)' : name;
}

/** A sentence that holds names of others: none of them may turn the rest of it around. */
export function keepDirection(text: string): string {
  return text.replaceAll(/[\u202A-\u202E\u2066-\u2069]/g, '');
}
