import type { Server, Socket } from 'node:net';

const open = new WeakMap<Server, Set<Socket>>();

/** Keeps in mind which connections a server has, from now on. */
export function rememberConnections(server: Server): void {
  const sockets = new Set<Socket>();
  open.set(server, sockets);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
}

/**
 * Closes the connections of a server on which nothing has ever come, as browsers and pools open them in advance. node:http counts
 * them among those that are in the middle of a request, so that `closeIdleConnections` leaves them open.
 */
export function closeUnusedConnections(server: Server): void {
  for (const socket of open.get(server) ?? []) if (socket.bytesRead === 0) socket.destroy();
}
