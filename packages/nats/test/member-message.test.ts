import { expect, test } from 'vitest';
import { Packr } from 'msgpackr';
import { decodeMemberMessage, encodeMemberMessage, type MemberMessage } from '../src/member-message.ts';

const heartbeat = {
  from: 'a',
  sequence: 7,
  announcement: { actorTypes: ['counter'], details: { workflow: { names: ['order'] } } },
  weight: 1.5,
  leaving: false,
  claims: [
    [0, 12],
    [255, 2 ** 40],
  ],
} as const;

const messages: readonly MemberMessage[] = [
  { kind: 'heartbeat', heartbeat, sentAtMs: 12.5 },
  { kind: 'hello', from: 'host-1' },
  {
    kind: 'claims',
    from: 'a',
    claims: [
      [1, { epoch: 3, holder: 'a', successor: undefined }],
      [2, { epoch: 4, holder: undefined, successor: 'b' }],
    ],
  },
];

test('messages arrive as they were', () => {
  for (const message of messages) expect(decodeMemberMessage(encodeMemberMessage(message))).toEqual(message);
});

test('what is cut off, of another format or of other types is no message', () => {
  const pack = (value: unknown): Uint8Array => new Packr({ useRecords: false }).pack(value);
  for (const message of messages) {
    const bytes = encodeMemberMessage(message);
    for (let length = 0; length < bytes.length; length++)
      expect(decodeMemberMessage(bytes.subarray(0, length))).toBeUndefined();
  }
  const announcement = { actorTypes: [], details: {} };
  for (const value of [
    null,
    {},
    [2, 1, 'a'],
    [1, 9, 'a'],
    [1, 1, 'a.b'],
    [1, 1, 5],
    [1, 0, 'a', -1, 0, announcement, 1, false, []],
    [1, 0, 'a', 1, 0, announcement, 0, false, []],
    [1, 0, 'a', 1, 0, announcement, Infinity, false, []],
    [1, 0, 'a', 1, 0, announcement, 1, false, [1]],
    [1, 0, 'a', 1, 0, announcement, 1, false, [1, 'x']],
    [1, 0, 'a', 1, 0, { actorTypes: [1], details: {} }, 1, false, []],
    [1, 0, 'a', 1, 0, null, 1, false, []],
    [1, 2, 'a', [1, 2, 'b']],
    [1, 2, 'a', [1, 2, '*', null]],
    [1, 2, 'a', 'x'],
  ])
    expect(decodeMemberMessage(pack(value)), JSON.stringify(value)).toBeUndefined();
});
