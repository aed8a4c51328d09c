import { writeStructured } from '../../src/index.ts';
import { HttpSender, type RequestOf } from './http-sender.ts';
import type { SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const kit: SourceKit = {
  kind: 'cloudevents',
  runsOn: 'every-host',
  server: () => Promise.resolve({ end: () => Promise.resolve() }),
  origin(_, name) {
    const source = `/senders/${name}`;
    const sender = new HttpSender(name);
    const request =
      (traceparent?: string, paddingBytes?: number): RequestOf =>
      (number) => {
        const body = writeStructured({
          source,
          id: `${number}`,
          type: 'numbered',
          extensions: traceparent === undefined ? {} : { traceparent },
          headers: {},
          data: { number, ...(paddingBytes === undefined ? {} : { text: 'x'.repeat(paddingBytes) }) },
        });
        return { headers: { 'content-type': 'application/cloudevents+json' }, body };
      };
    return Promise.resolve({
      options: {},
      publish(numbers, hosts, { traceparent, paddingBytes } = {}) {
        sender.send(numbers, hosts, request(traceparent, paddingBytes));
        return Promise.resolve(numbers.map((number) => ({ source, id: `${number}`, value: number })));
      },
      publishAgain: (numbers, hosts) => Promise.resolve(sender.send(numbers, hosts, request())),
      unacknowledged: () => sender.unacknowledged(),
      end: () => sender.end(),
    });
  },
};

sourceSuite(kit);
