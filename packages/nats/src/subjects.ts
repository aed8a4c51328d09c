// The subjects of an application: `tr.<app>.…`. Whatever stands between two dots is one safe token.

import type { HostId } from '@troupe/actors';

const TOKEN_PATTERN = /^[A-Za-z0-9_-]{1,128}$/;

/** Frames to a host. */
export function frameSubject(app: string, hostId: HostId): string {
  return `tr.${app}.t.${hostId}`;
}

/** What every host of the application hears: heartbeats, and claims that were won or released. */
export function membersSubject(app: string): string {
  return `tr.${app}.m`;
}

/** Where a host answers whether it lives. */
export function probeSubject(app: string, hostId: HostId): string {
  return `tr.${app}.p.${hostId}`;
}

/** Whether a host can have this id here. */
export function isHostId(hostId: string): boolean {
  return TOKEN_PATTERN.test(hostId);
}

/** @throws {TypeError} when no host can have this id here */
export function checkHostId(hostId: HostId): void {
  if (!isHostId(hostId)) {
    throw new TypeError(`the id of a host is 1 to 128 letters, digits, "_" and "-", got ${JSON.stringify(hostId)}`);
  }
}
