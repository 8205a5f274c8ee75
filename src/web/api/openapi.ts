import { type Endpoint, PARAMS } from './endpoint.ts';
import { problem } from './shapes.ts';

/** The description of the API. Format: https://spec.openapis.org/oas/v3.1.1 */
export function openapi(endpoints: readonly Endpoint[]) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const endpoint of endpoints) {
    const path = `/api/v1${endpoint.path}`;
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operation(endpoint) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Drayage',
      version: '1',
      description:
        'Runs, partitions, rejects and workers. Lists come in pages: `next` of one is the `cursor` of the following.',
    },
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'DRAYAGE_WEB_TOKEN' },
        session: { type: 'apiKey', in: 'cookie', name: 'drayage_session', description: 'What signing in gives.' },
      },
      schemas: { Problem: problem },
    },
  };
}

function operation({ name, summary, path, query = {}, body, answer, status = 200 }: Endpoint) {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, param]) => param!);
  const parameters = [
    ...inPath.map((param) => ({ name: param, in: 'path', required: true, schema: PARAMS[param] })),
    ...Object.entries(query).map(([param, { description, ...schema }]) => {
      return { name: param, in: 'query', required: false, description, schema };
    }),
  ];
  return {
    operationId: name,
    summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: false, content: { 'application/json': { schema: body } } } } : {}),
    responses: {
      [status]: { description: 'As asked.', content: { 'application/json': { schema: answer } } },
      default: {
        description: 'Why not.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}
