/** What stands for a name: nothing visible (spaces, zero-width and control characters) is said to be none. */
export function showName(name: string): string {
  return /^[\s\p{C}]*$/u.test(name) ? '(no name)' : name;
}
