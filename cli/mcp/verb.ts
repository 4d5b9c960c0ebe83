import { once } from 'node:events';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';

/** `spoor mcp`. */
export function register(program: Command, context: CliContext): void {
  program
    .command('mcp')
    .description('traces for a language model: a Model Context Protocol server on stdin and stdout')
    .addHelpText(
      'after',
      '\nExample, in the settings of a client:\n  {"mcpServers": {"spoor": {"command": "spoor", "args": ["mcp"], "env": {"SPOOR_QUERY_URL": "http://127.0.0.1:16686"}}}}',
    )
    .action(async () => {
      const { StdioServerTransport } = await import('@modelcontextprotocol/sdk/server/stdio.js');
      const { createMcpServer } = await import('./server.ts');
      // Asked anew for each call: what runs may have been started again elsewhere.
      const server = createMcpServer(() => context.queryUrl());
      await server.connect(new StdioServerTransport());
      await once(process.stdin, 'end');
      await server.close();
    });
}
