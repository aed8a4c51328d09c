// What is expected of every kind, of the ends of instances: their origin is the host itself.

import type { EndingsOptions } from '../../src/endings.ts';
import type { OriginHosts, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

/** So many instances are started at once. */
const AT_ONCE = 16;

const kit: SourceKit = {
  kind: 'endings',
  runsOn: 'every-host',
  trace: false,
  // Outputs are kept in the instances, by the same host.
  padding: false,
  valueAt: 'data.output.number',
  server: () => Promise.resolve({ end: () => Promise.resolve() }),
  origin(_, name) {
    let origin: OriginHosts | undefined;
    const options: EndingsOptions = { workflow: 'relay', on: ['completed'] };
    return Promise.resolve({
      options,
      async publish(numbers, hosts) {
        origin = hosts;
        const left = [...numbers.entries()];
        const ids: string[] = [];
        const work = async (): Promise<void> => {
          for (let next = left.shift(); next !== undefined; next = left.shift()) {
            const [at, number] = next;
            const instanceId = `${name}-${number}`;
            await hosts.start('relay', instanceId, { number });
            const { endedAtMs, executionId } = await hosts.ended(instanceId);
            ids[at] = `${instanceId}/${executionId}/${endedAtMs}`;
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, work));
        return numbers.map((number, at) => ({ source: 'workflow:relay', id: ids[at]!, value: number }));
      },
      // Without publishAgain: an instance that is started once more ends as another execution, which is another event.
      // An ending waits in an actor, which hands it over again and again until it is settled.
      unacknowledged: () => origin?.outstanding() ?? Promise.resolve(0),
    });
  },
};

sourceSuite(kit);
