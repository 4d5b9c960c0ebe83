/**
 * `import 'node:http'` reads every export of the module, which fires a getter that loads undici: 30 ms and 13 MB at each cold
 * start (nodejs/node#59686). This way of asking does not.
 */
export const http = process.getBuiltinModule('node:http');
