import { readFileSync } from 'node:fs';
import { Failure } from '../../../server/failure.ts';
import type { KafkaOptions } from './clients.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Who we are to the brokers, from `SASL` (`none`, `plaintext`, `scram_sha256`, `scram_sha512`) with `USERNAME` and `PASSWORD`, and
 * `TLS` (`enable`) with `CA`, `CERT` and `KEY` (PEM, or the path of such a file), each name with `prefix` in front. The words are those of Fission's KEDA
 * connector. Throws a Failure `bad_request` that names the variable.
 */
export function readKafkaAccess(env: Environment, prefix = ''): Pick<KafkaOptions, 'sasl' | 'tls'> {
  const mechanism = mechanismOf(`${prefix}SASL`, env[`${prefix}SASL`] ?? '');
  const tls = env[`${prefix}TLS`] ?? '';
  if (tls !== '' && tls !== 'enable' && tls !== 'disable')
    throw bad(`${prefix}TLS`, tls, 'it is enable or disable');
  const needed = (name: string): string => {
    const value = env[prefix + name];
    if (value) return value;
    throw new Failure('queue', 'bad_request', `cannot use SASL: ${prefix}${name} is not set`);
  };
  return {
    ...(mechanism ? { sasl: { mechanism, username: needed('USERNAME'), password: needed('PASSWORD') } } : {}),
    // Fission's connector trusts anybody once it has a CA; this one trusts the CA.
    ...(tls === 'enable'
      ? {
          tls: {
            ca: pem(env, `${prefix}CA`),
            cert: pem(env, `${prefix}CERT`),
            key: pem(env, `${prefix}KEY`),
          },
        }
      : {}),
  };
}

/** Milliseconds; undefined when it is not set. */
export function readSessionTimeout(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  const value = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (value >= 1_000) return value;
  throw bad(name, text, 'it is a time in milliseconds, 1000 or more');
}

function mechanismOf(name: string, word: string): 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | undefined {
  switch (word) {
    case '':
    case 'none':
      return undefined;
    case 'plaintext':
      return 'PLAIN';
    case 'scram_sha256':
      return 'SCRAM-SHA-256';
    case 'scram_sha512':
      return 'SCRAM-SHA-512';
    default:
      throw bad(name, word, 'it is one of none, plaintext, scram_sha256, scram_sha512');
  }
}

function pem(env: Environment, name: string): string | undefined {
  const value = env[name];
  if (!value) return undefined;
  if (!value.startsWith('/') && !value.startsWith('.')) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (cause) {
    throw bad(name, value, (cause as Error).message);
  }
}

function bad(name: string, value: string, why: string): Failure {
  return new Failure('queue', 'bad_request', `cannot use ${name} [${value}]: ${why}`);
}
