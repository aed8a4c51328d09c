// Tests that need a server say so by `describeWithServer`: without one they are skipped and counted at the end of the run
// (scripts/missing-servers.mjs), or fail where TROUPE_REQUIRE_SERVERS is set.

import { describe } from 'vitest';
import { findServer, variableOf, type ServerName } from '../../../../scripts/servers.mjs';

async function isThere(name: ServerName): Promise<boolean> {
  try {
    await findServer(name);
    return true;
  } catch (error) {
    if (process.env['TROUPE_REQUIRE_SERVERS'] === '1' || process.env[variableOf(name)] !== undefined) throw error;
    return false;
  }
}

/** `describe` for tests that need a server. It has to be waited for, since the server may have to be fetched. */
export async function describeWithServer(name: ServerName, title: string, body: () => void): Promise<void> {
  const there = await isThere(name);
  describe.skipIf(!there)(title, { tags: [name] }, body);
}
