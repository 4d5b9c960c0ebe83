/**
 * `node function/environment/conformance/run.ts LANGUAGE PROGRAM [ARGUMENT...]`: holds an environment of yours against the suite. It is
 * started anew for each case, as the executor would start it (docs/instance.md), and given functions in LANGUAGE. Prints a line for
 * each case and what was not as it should be, and exits 1 when anything was not.
 *
 *     node function/environment/conformance/run.ts node node function/environment/node/main.ts
 */
import { CASES, type Language } from './cases.ts';
import { runCase } from './run-case.ts';

const LANGUAGES: readonly string[] = ['node', 'python'] satisfies Language[];

const [language = '', program, ...args] = process.argv.slice(2);
if (!isLanguage(language) || program === undefined) {
  console.error(
    `cannot run the suite: it takes a language (${LANGUAGES.join(' or ')}) and a program to start, with its arguments`,
  );
  process.exit(2);
}

let failed = 0;
const cases = CASES.filter(({ source }) => source[language]);
for (const each of cases) {
  const faults = await faultsOf(each);
  console.log(`${faults.length === 0 ? 'ok    ' : 'FAILED'}  ${each.name}`);
  for (const fault of faults) console.log(`        ${fault}`);
  if (faults.length > 0) failed += 1;
}
console.log(`${cases.length - failed} of ${cases.length} cases passed`);
process.exitCode = failed === 0 ? 0 : 1;

async function faultsOf(each: (typeof CASES)[number]): Promise<readonly string[]> {
  try {
    return await runCase(each, language as Language, { program: program as string, args });
  } catch (error) {
    return [(error as Error).message];
  }
}

function isLanguage(text: string): text is Language {
  return LANGUAGES.includes(text);
}
