import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { toFailure } from '../../server/failure.ts';
import { TOOLS } from './tools.ts';

/**
 * The query API as tools for a language model (https://modelcontextprotocol.io/specification): nothing that changes anything. What a
 * tool answers is JSON as docs/api.md has it, with the ids of the spans that it rests on; what cannot be answered says why, as text.
 */
export function createMcpServer(queryUrl: () => Promise<string>): Server {
  const server = new Server(
    { name: 'spoor', version: '0.1.0' },
    {
      capabilities: { tools: {} },
      instructions:
        'Distributed traces of functions. Start with search_traces (for what failed: "error"), then why for its cause. Times are nanoseconds as decimal strings. Name the span ids that an answer rests on.',
    },
  );
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: TOOLS.map(({ name, description, inputSchema }) => ({
      name,
      description,
      inputSchema,
      annotations: { readOnlyHint: true, openWorldHint: false },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
    try {
      const tool = TOOLS.find(({ name }) => name === params.name);
      if (!tool)
        throw new Error(
          `there is no tool [${params.name}]; there are ${TOOLS.map(({ name }) => name).join(', ')}`,
        );
      const answer = await tool.call(await queryUrl(), params.arguments ?? {}, signal);
      return {
        content: [{ type: 'text', text: JSON.stringify(answer) }],
        structuredContent: answer as Record<string, unknown>,
      };
    } catch (error) {
      return { content: [{ type: 'text', text: toFailure(error, 'cli').message }], isError: true };
    }
  });
  return server;
}
