import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

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

/** What a visitor sees who comes before the first build is over: it asks again by itself. */
const BUILDING_STYLE =
  'body{font:15px/1.6 system-ui,sans-serif;margin:18vh auto;max-width:30em;padding:0 1em}p{opacity:.7}';
const BUILDING_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="color-scheme" content="light dark" />
    <meta http-equiv="refresh" content="1" />
    <title>Spoor</title>
    <style>${BUILDING_STYLE}</style>
  </head>
  <body>
    <h1>The screens are being built</h1>
    <p>This happens once after a change of their sources and takes some seconds. The page comes by itself.</p>
    <p>If it does not, the terminal that Spoor was started in says why.</p>
  </body>
</html>
`;
const BUILDING_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(BUILDING_STYLE).digest('base64')}'; frame-ancestors 'none'`;

/**
 * Serves the built screens. Files below `/assets/` carry a hash of their content in their name and are kept for ever; any other path that is
 * no file is a page of the screens and gets index.html. An unknown `/api/…` is a plain 404, never a page.
 * The folder may be filled, or filled anew, after the start: a checkout builds its screens beside everything else.
 */
export async function addScreens(app: FastifyInstance, uiDir: string | undefined): Promise<void> {
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
      index: false,
      decorateReply: false,
      // The page is sent below, with its policy; the compressed twins and the stamp of the build are nobody's to ask for.
      allowedPath: (path) => /^\/[\w-]+\.(?:svg|js|png|ico)$/.test(path),
      cacheControl: true,
      maxAge: '1h',
    });
  }

  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const isPage =
      ['GET', 'HEAD'].includes(request.method) &&
      !/^\/(?:api|assets)(?:\/|$)/.test(path) &&
      !/\.[a-z0-9]{1,8}$/i.test(path);
    if (!isPage) return reply.code(404).type('text/plain; charset=utf-8').send('404 page not found\n');
    if (uiDir === undefined)
      return reply
        .type('text/plain; charset=utf-8')
        .send(
          'Spoor answers queries here: /api/services, /api/traces. It was started without its screens.\n',
        );
    const page = await readFile(join(uiDir, 'index.html'), 'utf8').catch(() => undefined);
    return reply
      .code(page === undefined ? 503 : 200)
      .type('text/html; charset=utf-8')
      .header('Cache-Control', 'no-cache')
      .header('Content-Security-Policy', page === undefined ? BUILDING_POLICY : CONTENT_SECURITY_POLICY)
      .header('Referrer-Policy', 'no-referrer')
      .header('Cross-Origin-Opener-Policy', 'same-origin')
      .send(page ?? BUILDING_PAGE);
  });
}
