/**
 * A stack without the frames of the environment and of Node itself: what is left is the function's own code, and what it uses.
 * Node's frames are one line each, Python's begin with `  File "…"` and go on with deeper lines.
 */
export function ownFrames(text: string): string {
  let isSkipping = false;
  return text
    .split('\n')
    .filter((line) => {
      if (NODE_FRAME.test(line)) return !OF_ENVIRONMENT.test(line);
      if (PYTHON_FRAME.test(line)) isSkipping = OF_ENVIRONMENT.test(line);
      else if (!line.startsWith('    ')) isSkipping = false;
      return !isSkipping;
    })
    .join('\n');
}

const NODE_FRAME = /^ {4}at /;
const PYTHON_FRAME = /^ {2}File "/;
const OF_ENVIRONMENT =
  /\/environment(?:-node-[0-9a-f]+)?\.cjs:|\/environment\/node\/[\w-]+\.ts:|\(?node:internal\/|\/spoor_environment\//;
