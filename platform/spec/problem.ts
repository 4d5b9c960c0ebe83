import { Failure } from '../../server/failure.ts';

/** Something wrong in what a user declared, with the place where it stands. */
export interface Problem {
  /** Path of the file; '' for a body sent to the control API. */
  readonly file: string;
  /** From 1; undefined where the text is not at hand. */
  readonly line: number | undefined;
  /** `spec.functionTimeout`; '' for the document as a whole. */
  readonly field: string;
  readonly message: string;
}

/** Thrown by the readers of one document; `parseSpec` collects them. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** `specs/fn.yaml:12: spec.functionTimeout must be a number, not "soon"` */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line].filter((part) => part !== '' && part !== undefined).join(':');
  const text = problem.field === '' ? problem.message : `${problem.field} ${problem.message}`;
  return place === '' ? text : `${place}: ${text}`;
}

/** One Failure that names every problem, one a line. */
export function problemsFailure(what: string, problems: readonly Problem[]): Failure {
  const lines = problems.map(formatProblem);
  const message =
    lines.length === 1
      ? `cannot ${what}: ${lines[0]}`
      : `cannot ${what}: ${lines.length} problems\n${lines.join('\n')}`;
  return new Failure('spec', 'bad_request', message);
}
