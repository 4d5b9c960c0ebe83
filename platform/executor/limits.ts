/** Largest file an instance may write: past it a write fails (EFBIG), before the disk that others need is full. */
const FILE_BYTES = 1024 ** 3;
/** What `ulimit -f` counts in (POSIX). */
const BLOCK_BYTES = 512;

const SCRIPT = `ulimit -c 0 2>/dev/null; ulimit -f ${FILE_BYTES / BLOCK_BYTES} 2>/dev/null; exec "$@"`;

/**
 * The command with resource limits around it: no core dumps, files of bounded size. Set by a shell that then becomes the program
 * (1 ms), as Node can set none for a child; a limit that the system already keeps lower stays as it is.
 */
export function withLimits(program: { readonly command: string; readonly args: readonly string[] }) {
  return {
    command: '/bin/sh',
    args: ['-c', SCRIPT, 'sh', program.command, ...program.args],
  };
}
