import { expect, test } from 'vitest';
import { LocalNetwork, type Transport } from '../src/index.ts';
import { transportSuite } from '../src/conformance.ts';

transportSuite('LocalNetwork', () => {
  const network = new LocalNetwork();
  const made = new Map<string, Transport>();
  return {
    transport(hostId) {
      const transport = network.transport(hostId);
      made.set(hostId, transport);
      return transport;
    },
    kill: async (hostId) => made.get(hostId)!.stop(),
    async stop() {
      for (const transport of made.values()) await transport.stop();
    },
  };
});

test('an id is on the network once', async () => {
  const network = new LocalNetwork();
  const receiver = { receive: () => {}, undeliverable: () => {} };
  await network.transport('one').start(receiver);
  await expect(network.transport('one').start(receiver)).rejects.toThrow(TypeError);
});
