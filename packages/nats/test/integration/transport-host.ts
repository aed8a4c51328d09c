// A host in a process of its own that answers every call with its arguments, until it is killed.
// Arguments: url, application, host id. Says "ready" when it listens.

import { consoleLogger, systemClock } from '@troupe/actors';
import { connectWire } from '../../src/connection.ts';
import { NatsTransport } from '../../src/nats-transport.ts';

const [servers, app, hostId] = process.argv.slice(2) as [string, string, string];
const wire = await connectWire({ servers }, { clock: systemClock, logger: consoleLogger });
const transport = new NatsTransport({
  app,
  hostId,
  wire,
  clock: systemClock,
  logger: consoleLogger,
  onNoResponders: () => {},
});
await transport.start({
  receive(from, envelope) {
    if (envelope.kind !== 'call') return;
    transport.send(from, { kind: 'reply', callId: envelope.callId, outcome: 'done', body: envelope.args.slice(0, 1) });
  },
  // Answers that were certainly lost are given again.
  undeliverable: (to, envelope) => transport.send(to, envelope),
});
console.log('ready');
setInterval(() => {}, 60_000);
