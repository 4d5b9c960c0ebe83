import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { Failure } from '../../server/failure.ts';

/** Scripts, styles and data come from here and nowhere else; nothing inline runs, nothing frames us. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * Serves the built screens. Files below `/assets/` carry a hash of their content in their name and are kept for ever; any other path that is
 * no file is a page of the screens and gets index.html. An unknown `/api/…` is a plain 404, never a page.
 */
export async function addScreens(app: FastifyInstance, uiDir: string | undefined): Promise<void> {
  if (uiDir !== undefined && !existsSync(join(uiDir, 'index.html')))
    throw new Failure(
      'query',
      'not_found',
      `cannot serve the screens: no index.html in ${uiDir}. Build them with \`npm run build:ui\``,
    );

  const page = uiDir === undefined ? undefined : await readFile(join(uiDir, 'index.html'), 'utf8');
  if (uiDir !== undefined) {
    await app.register(fastifyStatic, {
      root: resolve(uiDir, 'assets'),
      prefix: '/assets/',
      preCompressed: true,
      immutable: true,
      maxAge: '365d',
      decorateReply: false,
    });
    await app.register(fastifyStatic, {
      root: resolve(uiDir),
      serve: true,
      wildcard: false,
      index: false,
      globIgnore: ['assets/**', '**/*.{br,gz}', 'index.html', '.*'],
      cacheControl: true,
      maxAge: '1h',
    });
  }

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const isPage =
      ['GET', 'HEAD'].includes(request.method) &&
      !/^\/(?:api|assets)(?:\/|$)/.test(path) &&
      !/\.[a-z0-9]{1,8}$/i.test(path);
    if (!isPage) return reply.code(404).type('text/plain; charset=utf-8').send('404 page not found\n');
    if (page === undefined)
      return reply
        .type('text/plain; charset=utf-8')
        .send('Spoor answers queries here: /api/services, /api/traces. The screens are not built.\n');
    return reply
      .type('text/html; charset=utf-8')
      .header('Cache-Control', 'no-cache')
      .header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
      .header('Referrer-Policy', 'no-referrer')
      .header('Cross-Origin-Opener-Policy', 'same-origin')
      .send(page);
  });
}
