import { writeStructured } from '../../src/index.ts';
import { sendUntilTaken, type RequestOf } from './http-sender.ts';
import type { SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const kit: SourceKit = {
  kind: 'cloudevents',
  runsOn: 'every-host',
  server: () => Promise.resolve({ end: () => Promise.resolve() }),
  origin(_, name) {
    const source = `/senders/${name}`;
    const request =
      (traceparent?: string, paddingBytes?: number): RequestOf =>
      (number) => {
        const body = writeStructured({
          source,
          id: `${number}`,
          type: 'numbered',
          extensions: {},
          headers: {},
          data: { number, ...(paddingBytes === undefined ? {} : { text: 'x'.repeat(paddingBytes) }) },
          ...(traceparent === undefined ? {} : { traceparent }),
        });
        return { headers: { 'content-type': 'application/cloudevents+json' }, body };
      };
    return Promise.resolve({
      options: {},
      async publish(numbers, hosts, { traceparent, paddingBytes } = {}) {
        await sendUntilTaken(numbers, hosts, name, request(traceparent, paddingBytes));
        return numbers.map((number) => ({ source, id: `${number}`, value: number }));
      },
      publishAgain: (numbers, hosts) => sendUntilTaken(numbers, hosts, name, request()),
      // Each was answered with 2xx.
      unacknowledged: () => Promise.resolve(0),
    });
  },
};

sourceSuite(kit);
