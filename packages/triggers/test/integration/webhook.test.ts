import { createHmac } from 'node:crypto';
import { HttpSender, type RequestOf } from './http-sender.ts';
import type { SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const KEY = Buffer.from('a key that both sides know');
const SECRET = `whsec_${KEY.toString('base64')}`;

/** Signed as https://www.standardwebhooks.com says. */
const kit: SourceKit = {
  kind: 'webhook',
  runsOn: 'every-host',
  server: () => Promise.resolve({ end: () => Promise.resolve() }),
  origin(_, name) {
    const sender = new HttpSender(name);
    const request =
      (traceparent?: string, paddingBytes?: number): RequestOf =>
      (number) => {
        const text = paddingBytes === undefined ? {} : { text: 'x'.repeat(paddingBytes) };
        const body = JSON.stringify({ number, ...text });
        const seconds = Math.floor(Date.now() / 1000);
        const signature = createHmac('sha256', KEY).update(`${number}.${seconds}.${body}`).digest('base64');
        return {
          body,
          headers: {
            'content-type': 'application/json',
            'webhook-id': `${number}`,
            'webhook-timestamp': `${seconds}`,
            'webhook-signature': `v1,${signature}`,
            ...(traceparent === undefined ? {} : { traceparent }),
          },
        };
      };
    return Promise.resolve({
      options: { secret: SECRET },
      publish(numbers, hosts, { traceparent, paddingBytes } = {}) {
        sender.send(numbers, hosts, request(traceparent, paddingBytes));
        return Promise.resolve(
          numbers.map((number) => ({ source: `webhook:${name}`, id: `${number}`, value: number })),
        );
      },
      publishAgain: (numbers, hosts) => Promise.resolve(sender.send(numbers, hosts, request())),
      unacknowledged: () => sender.unacknowledged(),
      end: () => sender.end(),
    });
  },
};

sourceSuite(kit);
