import { Worker } from 'node:worker_threads';
import { Failure } from '../../server/failure.ts';

/**
 * What a build left, as the bytes of an archive: a file as it is, a folder as a zip. In a thread of its own: to pack a folder
 * of packages takes seconds, and the platform answers requests meanwhile.
 */
export async function pack(path: string): Promise<Uint8Array> {
  const worker = new Worker(new URL('./pack-worker.ts', import.meta.url), {
    workerData: path,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  try {
    const answer = await new Promise<PackAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`the packing thread exited with code ${code}`)));
    });
    if ('bytes' in answer) return answer.bytes;
    throw new Failure('spec', 'bad_request', answer.problem);
  } finally {
    await worker.terminate();
  }
}

export type PackAnswer = { readonly bytes: Uint8Array } | { readonly problem: string };
