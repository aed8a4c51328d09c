import type { ClientServerInfo } from './client.ts';
import { SERVER_VERSION_MIN } from './limits.ts';
import type { ServerInfo } from './wire.ts';

export function serverInfoOf(info: ClientServerInfo): ServerInfo {
  return {
    version: info.version,
    serverName: info.server_name,
    cluster: info.cluster,
    payloadBytesMax: info.max_payload,
    jetstream: info.jetstream === true,
  };
}

/** Why a server of this version is refused, and what to do; undefined if it is not. */
export function unfitVersion(version: string): string | undefined {
  const parts = numbersOf(version);
  if (parts !== undefined && !isBelow(parts, numbersOf(SERVER_VERSION_MIN)!)) return undefined;
  return (
    `the NATS server says that it is version ${version}; the oldest that Troupe runs on is ${SERVER_VERSION_MIN}: before ` +
    `it, conditional writes could both succeed (nats-server issue 4320) and streams could be lost. Install a newer ` +
    `nats-server, 2.15 or later if you can.`
  );
}

function numbersOf(version: string): readonly number[] | undefined {
  return /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
}

function isBelow(version: readonly number[], other: readonly number[]): boolean {
  const index = version.findIndex((part, position) => part !== other[position]);
  return index !== -1 && version[index]! < other[index]!;
}
