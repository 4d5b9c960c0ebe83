/** Largest file an instance may write: past it a write fails (EFBIG), before the disk that others need is full. */
const FILE_BYTES = 1024 ** 3;
/** What `ulimit -f` counts in (POSIX). */
const BLOCK_BYTES = 512;
/** What `ulimit -d` counts in (dash, bash). */
const KIB = 1024;
/** $0 when there is none. */
const NO_CGROUP = 'sh';

const SCRIPT = `ulimit -c 0 2>/dev/null; ulimit -f ${FILE_BYTES / BLOCK_BYTES} 2>/dev/null`;

export interface ProcessLimits {
  /** Folder of the cgroup that it enters before it is the program. */
  readonly cgroup?: string | undefined;
  /** Bytes of its data: heap, stacks, anonymous maps (RLIMIT_DATA). */
  readonly dataBytes?: number | undefined;
}

/**
 * The command with resource limits around it: no core dumps, files of bounded size, and what `limits` says. Set by a shell that then
 * becomes the program (1 ms), as Node can set none for a child; a limit that the system already keeps lower stays as it is.
 */
export function withLimits(
  program: { readonly command: string; readonly args: readonly string[] },
  limits: ProcessLimits = {},
) {
  let script = SCRIPT;
  if (limits.dataBytes !== undefined)
    script += `; ulimit -d ${Math.ceil(limits.dataBytes / KIB)} 2>/dev/null`;
  if (limits.cgroup !== undefined) script += '; echo $$ > "$0/cgroup.procs"';
  return {
    command: '/bin/sh',
    args: ['-c', `${script}; exec "$@"`, limits.cgroup ?? NO_CGROUP, program.command, ...program.args],
  };
}
