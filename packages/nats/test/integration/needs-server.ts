// Tests that need a nats-server say so by `describeWithNats`: without one they are skipped and counted at the end of the
// run (scripts/missing-servers.mjs), or fail where TROUPE_REQUIRE_SERVERS is set.

import { describe } from 'vitest';
import { findNatsServer } from '../../../../scripts/nats-server.mjs';

async function find(): Promise<string | undefined> {
  try {
    return await findNatsServer();
  } catch (error) {
    if (process.env['TROUPE_REQUIRE_SERVERS'] === '1' || process.env['NATS_SERVER'] !== undefined) throw error;
    return undefined;
  }
}

const program = await find();

/** The path of the server. Only for what runs in tests that are not skipped. */
export function natsServerProgram(): string {
  if (program === undefined) throw new Error('there is no nats-server: use describeWithNats');
  return program;
}

/** `describe` for tests that need a nats-server. */
export function describeWithNats(name: string, body: () => void): void {
  describe.skipIf(program === undefined)(name, { tags: ['nats-server'] }, body);
}
