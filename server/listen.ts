import { once } from 'node:events';
import { isIPv4, type Server } from 'node:net';
import { Failure, type Component } from './failure.ts';
import { rememberConnections } from './unused-connections.ts';

export interface ListenOptions {
  readonly host?: string;
  /** 0 picks a free port. */
  readonly port: number;
}

/** The address a server answers on, once it does. */
export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly url: string;
}

export const LOOPBACK = '127.0.0.1';

/** Listens and waits until it does; a taken port is a Failure that says what to do about it. */
export async function listen(
  server: Server,
  options: ListenOptions,
  component: Component,
): Promise<Listening> {
  const host = options.host ?? LOOPBACK;
  rememberConnections(server);
  server.listen({ host, port: options.port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw listenFailure(error, host, options.port, component);
  }
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('cannot tell the address of a server that is not on TCP');
  const urlHost = host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? LOOPBACK : host;
  return { host, port: address.port, url: `http://${urlHost}:${address.port}` };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function listenFailure(error: unknown, host: string, port: number, component: Component): Failure {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') {
    return new Failure(
      component,
      'conflict',
      `cannot listen on ${host}:${port}: another program has that port. Stop it, or choose another port (0 picks a free one); \`spoor doctor\` shows which ports are taken`,
      { cause: error },
    );
  }
  if (code === 'EACCES') {
    return new Failure(
      component,
      'forbidden',
      `cannot listen on ${host}:${port}: ports below 1024 need privileges`,
      {
        cause: error,
      },
    );
  }
  return new Failure(component, 'internal', `cannot listen on ${host}:${port}: ${(error as Error).message}`, {
    cause: error,
  });
}
