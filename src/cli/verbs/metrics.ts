import { EXIT } from '../../base/errors.ts';
import { type Verb, withServices } from '../verb.ts';

export const metrics: Verb = {
  usage: 'metrics',
  summary:
    "print the metrics of all runs as Prometheus reads them, for node_exporter's textfile collector and the like",
  example: 'dray metrics > /var/lib/node_exporter/drayage.prom',
  async run(invocation) {
    const text = await withServices(invocation, {}, async (services) => {
      const { renderMetrics } = await import('../../runs/metrics.ts');
      return renderMetrics(services);
    });
    invocation.out.answer({ metrics: text }, () => text.trimEnd());
    return EXIT.done;
  },
};
