import { DrayageError, EXIT } from '../../base/errors.ts';
import { type Invocation, type Verb, withServices } from '../verb.ts';

/** Connections for the pages, beside those that a worker would have. */
const CONNECTIONS = 6;

export const serve: Verb = {
  usage: 'serve',
  summary: 'show runs, workers and jobs as web pages, with an API for programs and metrics for Prometheus',
  options: [
    [
      '--host <address>',
      'address to listen at (default: DRAYAGE_WEB_HOST or 127.0.0.1); others need DRAYAGE_WEB_TOKEN',
    ],
    ['--port <n>', 'port, 0 for any (default: DRAYAGE_WEB_PORT, PORT or 8080)'],
    ['--read-only', 'show, and let nobody change anything'],
    ['--allow-enqueue', 'let people enqueue runs from the page'],
  ],
  example: 'dray serve --port 8080',
  async run(invocation) {
    const { config, out, signal } = invocation;
    const [{ readSettings }, { createLog }] = await Promise.all([
      import('../../web/settings.ts'),
      import('../../base/log.ts'),
    ]);
    const settings = readSettings({ ...config.web, ...given(invocation) });
    await withServices(invocation, { loads: CONNECTIONS, logLevel: 'info' }, async (services) => {
      const web = await import('../../web/serve.ts');
      const log = createLog(config.logLevel ?? 'info');
      await web.serve(services, settings, log, signal, (url) => {
        if (out.json) return out.answer({ url }, () => url);
        out.note(`Serving at ${url}`);
        if (!settings.openForReading || settings.readOnly) return;
        // A log is no place for what signs people in.
        if (process.stdout.isTTY) out.secret(`To change something, sign in: ${url}login#${settings.secret}`);
        else out.note('Nobody can change anything: set DRAYAGE_WEB_TOKEN to sign in with.');
      });
    });
    return EXIT.done;
  },
};

/** What the command line says, and the environment does not. @throws USAGE */
function given({ options, config }: Invocation) {
  const { host = config.web.host, port = config.web.port } = options;
  if (!/^\d{1,5}$/.test(String(port)) || Number(port) > 65_535) {
    throw new DrayageError('USAGE', `--port is "${port}"`, { hint: 'Give a number from 0 to 65535.' });
  }
  return {
    host: String(host),
    port: Number(port),
    readOnly: config.web.readOnly || options.readOnly === true,
    allowEnqueue: config.web.allowEnqueue || options.allowEnqueue === true,
  };
}
