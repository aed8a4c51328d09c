// What is told of files that are wrong: where, what, and what to do.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseTriggerFile, readTriggerFile, TriggerFileError, triggersFrom } from '../src/config.ts';
import { TRIGGER_FILE_BYTES_MAX } from '../src/limits.ts';

function told(text: string, workflows?: readonly string[]): string[] {
  try {
    parseTriggerFile(text, 'f', workflows === undefined ? {} : { workflows });
  } catch (error) {
    if (error instanceof TriggerFileError) return error.message.split('\n');
    throw error;
  }
  return [];
}

const CRON = 'source: { cron: { schedule: "0 2 * * *" } }';

/** A file with one trigger; its text begins in line 3, at column 5. */
function trigger(...lines: string[]): string {
  return ['triggers:', '  one:', ...lines.map((line) => `    ${line}`), ''].join('\n');
}

describe('the YAML', () => {
  test.each([
    ['', ['f:1:1: the file is empty. It begins with "triggers:", and under it a name, a source and what to do.']],
    [
      '# nothing\n',
      ['f:1:1: the file is empty. It begins with "triggers:", and under it a name, a source and what to do.'],
    ],
    ['triggers:\n\tone: {}\n', ['f:2:1: a tab cannot indent. Use spaces.']],
    [
      'triggers: [',
      ['f:1:12: this is not YAML: flow sequence in block collection must be sufficiently indented and end with a ].'],
    ],
    [
      'triggers: {}\n---\ntriggers: {}\n',
      ['f:2:1: there is a second document. Only one is read: take the line --- out.'],
    ],
    ['triggers: *there\n', ['f:1:11: there is no anchor &there before this.']],
    [
      'triggers: !there {}\n',
      ['f:1:11: this is not YAML: unresolved tag: !there. A text that begins with "!" needs quotes around it.'],
    ],
    [
      'triggers: {}\n<<: {}\n',
      ['f:2:1: maps are not merged here. Write the options out, or use an alias for all of a value.'],
    ],
    ['triggers: {}\n__proto__: {}\n', ['f:2:1: no key can be "__proto__".']],
    ['triggers: {}\n? [a]\n: b\n', ['f:2:3: a key has to be a text.']],
    ['triggers: 3\n', ['f:1:11: "triggers" has to be a map, and is 3.']],
    ['- triggers\n', ['f:1:1: the file has to be a map of options, and is a list.']],
    ['trigers: {}\n', ['f:1:1: there is no option "trigers". Is "triggers" meant?']],
  ])('%j', (text, lines) => {
    expect(told(text)).toEqual(lines);
  });

  test('a key that is there twice is told beside all else', () => {
    expect(
      told(trigger(CRON, 'filter: "true"', 'start: { workflow: w }', 'filter: evnt.id == "a"', 'retri: {}')),
    ).toEqual([
      'f:6:5: "filter" is there twice. Keep one of them.',
      'f:7:5: there is no option "retri" in "one". Is "retry" meant?',
    ]);
  });

  test('expressions that YAML takes for something else are told with what they need', () => {
    const quotes = `An expression that begins with a quote needs quotes around all of it, as "'order-' + event.data.id".`;
    expect(told(trigger(CRON, "filter: 'a' + event.id"))).toEqual([
      `f:4:17: this is not YAML: unexpected scalar at node end. ${quotes}`,
    ]);
    expect(told(trigger(CRON, 'filter: event.id == "a" ? true : false'))).toEqual([
      'f:4:13: this is not YAML: nested mappings are not allowed in compact mappings. An expression with "? :" needs quotes around it.',
    ]);
  });

  test.each([
    ['brackets', '['.repeat(100_000)],
    ['braces', '{a: '.repeat(100_000)],
    ['lists in a line', `${'- '.repeat(100_000)}a`],
    ['maps in a line', `${'? '.repeat(100_000)}a`],
    ['lines', Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
  ])('%s that are nested too deeply end neither the process nor the patience', (_, text) => {
    expect(told(text)[0]).toMatch(/^f:\d+:\d+: this is nested more than 64 levels deep\.$/);
  });

  test('aliases that stand for billions of values are refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 12; level++)
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
    expect(told(lines.join('\n')).filter((line) => line.includes('100000'))).toEqual([
      expect.stringMatching(/^f:\d+:\d+: there are more than 100000 values, aliases followed\.$/),
    ]);
  });

  test('an alias that is inside of itself is refused', () => {
    expect(told('triggers: &a { b: *a }\n')).toContainEqual(expect.stringContaining('nested more than 64 levels deep'));
  });

  test('an alias stands for its value', () => {
    const file = parseTriggerFile(
      'triggers:\n  a: &a\n    source: { cron: { schedule: "@daily" } }\n    start: { workflow: w }\n  b: *a\n',
      'f',
    );
    expect(file.triggers).toEqual(['a', 'b']);
  });
});

describe('the rules', () => {
  test.each<[string[], string[]]>([
    [
      [CRON],
      [
        'f:2:3: nothing says what to do. It needs one of start, raiseEvent, startOrRaise, terminate, suspend, resume, drop, or "do" with a list of them.',
      ],
    ],
    [['start: { workflow: w }'], ['f:2:3: "source" is missing.']],
    [
      ['source: {}', 'start: { workflow: w }'],
      [expect.stringMatching(/^f:3:13: there is no source\. It is one of .*\bcron\b.*\.$/)],
    ],
    [['source: { corn: {} }', 'drop: {}'], ['f:3:15: there is no option "corn" in "source". Is "cron" meant?']],
    [
      ['source: { cron: { schedule: "@daily" }, nats: { servers: nats://h, subject: s } }', 'drop: {}'],
      ['f:3:45: a trigger has one source, and there is "cron" already. Write another trigger.'],
    ],
    [
      [CRON, 'start: { workflow: w }', 'drop: {}'],
      ['f:5:5: there is "start" already, and one thing to do. Several are a list in "do", each with a "when".'],
    ],
    [[CRON, 'start: {}'], ['f:4:5: "workflow" is missing.']],
    [[CRON, 'start: { workflow: 3 }'], ['f:4:24: "workflow" has to be a text, and is 3.']],
    [
      [CRON, 'start: { workflow: w, onConflict: rise }'],
      ['f:4:39: "onConflict" has to be dead-letter, raise or ack, and is "rise". Is "raise" meant?'],
    ],
    [[CRON, 'raiseEvent: { eventName: go }'], ['f:4:5: "instanceId" is missing.']],
    [
      [CRON, 'raiseEvent: { instanceId: event.id, eventName: { expr: event.id } }'],
      [
        expect.stringMatching(/^f:4:41: "cel" is missing\.$/),
        expect.stringMatching(/^f:4:54: there is no option "expr" in "eventName"/),
      ],
    ],
    [[CRON, 'do: []'], ['f:4:9: "do" has to be a list that is not empty.']],
    [
      [CRON, 'do:', '  - drop: {}', '  - drop: {}'],
      ['f:5:9: what comes after this is never done. It needs a "when", or to be the last.'],
    ],
    [[CRON, 'drop: {}', 'concurrency: 1.5'], ['f:5:18: "concurrency" has to be a whole number, and is 1.5.']],
    [[CRON, 'drop: {}', 'concurrency: 0'], ['f:5:18: "concurrency" has to be at least 1, and is 0.']],
    [
      [CRON, 'drop: {}', 'retry: { maxAttempts: 1001 }'],
      ['f:5:27: "maxAttempts" has to be at most 1000, and is 1001.'],
    ],
    [[CRON, 'drop: {}', 'deadLetter: "no"'], ['f:5:17: "deadLetter" has to be true or false, and is a text.']],
    [
      [CRON, 'drop: {}', 'dedupFor: 7 days'],
      ['f:5:15: "dedupFor" has to be a duration, as 500ms, 30s, 5m, 1h30m or 7d.'],
    ],
    [
      [CRON, 'drop: {}', 'dedupFor: 7d', 'dedupForMs: 3'],
      ['f:5:15: "dedupFor" and "dedupForMs" say the same: keep one of them.'],
    ],
    [[CRON, 'drop: {}', 'types: order.created'], ['f:5:12: "types" has to be a list, and is a text.']],
    [[CRON, 'drop: {}', 'types: [a, 3]'], ['f:5:16: item 2 of "types" has to be a text, and is 3.']],
    [
      [CRON, 'drop: {}', 'schema: { type: objekt }'],
      ['f:5:21: this is no JSON Schema: it must be equal to one of the allowed values.'],
    ],
    [
      [CRON, 'drop: {}', 'schema: { requird: [id] }'],
      ['f:5:13: this JSON Schema cannot be used: strict mode: unknown keyword: "requird".'],
    ],
    [
      ['source: { mqtt: { url: { envi: URL }, topic: t } }', 'drop: {}'],
      ['f:3:30: there is no option "envi" in "url". Is "env" meant?'],
    ],
    [
      ['source: { mqtt: { url: "mqtt://${env:HOST}", topic: t } }', 'drop: {}'],
      [
        'f:3:36: ${env:HOST} is not replaced by anything. Where an option is a secret, { env: HOST } takes all of it from the environment.',
      ],
    ],
    [
      ['source: { jetstream: { servers: [], stream: S } }', 'drop: {}'],
      ['f:3:37: "servers" has to be a list that is not empty.'],
    ],
  ])('%j', (lines, expected) => {
    expect(told(trigger(...lines))).toEqual(expected);
  });

  test('a name that cannot be one', () => {
    expect(told(`triggers: { "a b": { ${CRON}, drop: {} } }`)).toEqual([
      'f:1:13: a name of a trigger is 1 to 64 letters, digits, "-" and "_", and begins with a letter or digit. It is "a b".',
    ]);
  });

  test('JSON is read too, with its places', () => {
    expect(
      told(
        '{\n  "triggers": {\n    "one": { "source": { "cron": { "schedule": "@daily" } }, "drop": {}, "typs": [] }\n  }\n}',
      ),
    ).toEqual(['f:3:74: there is no option "typs" in "one". Is "types" meant?']);
  });

  test('workflows that are not here are warnings with their places', () => {
    const { warnings } = parseTriggerFile(trigger(CRON, 'start: { workflow: ordr }'), 'f', {
      workflows: ['order', 'hello'],
    });
    expect(warnings).toEqual([
      {
        severity: 'warning',
        line: 4,
        column: 24,
        message: 'there is no workflow "ordr" on this host',
        hint: 'Is "order" meant?',
      },
    ]);
  });
});

describe('expressions', () => {
  test.each<[string, string]>([
    ['filter: evnt.id == "a"', 'f:4:13: the expression is wrong: unknown variable: evnt. Is "event" meant?'],
    ['filter: data.id == "a"', 'f:4:13: the expression is wrong: unknown variable: data. Is "event.data" meant?'],
    ['filter: event.dta.id == 3', 'f:4:19: the expression is wrong: no such key: dta. Is "data" meant?'],
    ['filter: event.id.starsWith("a")', expect.stringMatching(/^f:4:13: .*Is "startsWith" meant\?$/) as string],
    [
      'filter: event.id',
      'f:4:13: the expression gives string, and true or false is expected. Compare it with something, as event.data.total > 0.',
    ],
    ['filter: event.id = "a"', expect.stringMatching(/^f:4:22: .*Equal is "=="\.$/) as string],
    ['filter: event.id ==', 'f:4:24: the expression is wrong: unexpected token: EOF.'],
    ['filter: ""', 'f:4:14: the expression is empty.'],
    // The offset in a scalar is that in the file: escapes, quotes, folds and indentation are counted.
    [`filter: 'event.id == ''a'' && nope'`, expect.stringMatching(/^f:4:35: .*unknown variable: nope/) as string],
    [
      `filter: "event.id == \\"\\u0061\\" && nope"`,
      expect.stringMatching(/^f:4:40: .*unknown variable: nope/) as string,
    ],
    ['filter: event.id == "a"\n      && nope', expect.stringMatching(/^f:5:10: .*unknown variable: nope/) as string],
    [
      'filter: |\n      event.id == "a"\n        && nope',
      expect.stringMatching(/^f:6:12: .*unknown variable: nope/) as string,
    ],
    [
      'filter: >2-\n\n        event.id == "a"\n\n      && nope',
      expect.stringMatching(/^f:8:10: .*unknown variable: nope/) as string,
    ],
  ])('%j', (line, expected) => {
    expect(told(trigger(CRON, line, 'drop: {}'))).toEqual([expected]);
  });

  test('of actions, wherever they stand', () => {
    expect(
      told(
        trigger(
          CRON,
          'do:',
          '  - when: nope',
          '    start: { workflow: w, instanceId: order-1, input: { a: [1, nope] }, tags: { b: event.id == "a" }, startAt: "1" }',
          '  - raiseEvent: { instanceId: event.id, eventName: { cel: nope } }',
        ),
      ),
    ).toEqual([
      expect.stringMatching(/^f:5:15: .*nope/),
      `f:6:43: the expression is wrong: unknown variable: order. Only "event" is known. A text needs quotes of its own: "'order-1'".`,
      expect.stringMatching(/^f:6:68: .*nope/),
      expect.stringMatching(/^f:6:88: the expression gives bool, and a text is expected\./),
      expect.stringMatching(/^f:6:117: the expression gives int, and a time/),
      expect.stringMatching(/^f:7:63: .*nope/),
    ]);
  });

  test('that are too long, or too nested, are refused', () => {
    expect(told(trigger(CRON, `filter: "true${' && true'.repeat(600)}"`, 'drop: {}'))).toEqual([
      'f:4:14: the expression has 4804 characters, and may have 4096. Let a workflow compute it.',
    ]);
    expect(told(trigger(CRON, `filter: "${'('.repeat(1_500)}true${')'.repeat(1_500)}"`, 'drop: {}'))).toEqual([
      expect.stringMatching(/^f:4:\d+: the expression is wrong: exceeded/),
    ]);
  });
});

describe('the file itself', () => {
  async function read(bytes: Uint8Array | string): Promise<string[]> {
    const folder = await mkdtemp(join(tmpdir(), 'trigger-file-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, 'f.yaml');
    await writeFile(path, bytes);
    const error = await readTriggerFile(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof TriggerFileError)) throw error ?? new Error('nothing was wrong');
    return error.message.replaceAll(path, 'f').split('\n');
  }

  test('is not there, too large, or not UTF-8', async () => {
    await expect(readTriggerFile('/nowhere/f.yaml')).rejects.toThrow(
      /^\/nowhere\/f\.yaml:1:1: the file cannot be read: ENOENT/,
    );
    expect(await read(' '.repeat(TRIGGER_FILE_BYTES_MAX + 1))).toEqual([
      'f:1:1: the file has 1048577 bytes, and may have 1048576.',
    ]);
    expect(await read(Buffer.from('triggers:\n  # K\xf6ln\n', 'latin1'))).toEqual([
      'f:2:1: this line is not UTF-8. Save the file as UTF-8.',
    ]);
  });

  test('has a byte order mark and Windows line ends', async () => {
    expect(
      await read(
        `\ufefftriggers:\r\n  one:\r\n    ${CRON}\r\n    filter: |\r\n      true\r\n      && nope\r\n    drop: {}\r\n`,
      ),
    ).toEqual([expect.stringMatching(/^f:6:10: .*unknown variable: nope/)]);
  });
});

describe('secrets', () => {
  const withSecret = (secret: string): string =>
    trigger(`source: { mqtt: { url: mqtt://h, topic: t, password: ${secret} } }`, 'drop: {}');

  test('are not needed to check a file, and told where they are missing when it is used', async () => {
    const file = parseTriggerFile(withSecret('{ env: TROUPE_NO_SUCH }'), 'f');
    expect(file.warnings).toEqual([]);
    await expect(triggersFrom(file)).rejects.toThrow('f:3:65: the environment variable TROUPE_NO_SUCH is not set.');
    await expect(triggersFrom(parseTriggerFile(withSecret('{ file: /nowhere/secret }'), 'f'))).rejects.toThrow(
      /^f:3:66: the file \/nowhere\/secret cannot be read/,
    );
    await expect(triggersFrom(file, { sources: false })).resolves.toBeDefined();
  });

  test('in the file itself are a warning that does not show them', () => {
    const { warnings } = parseTriggerFile(withSecret('tOpSeCrEt'), 'f');
    expect(warnings).toEqual([
      {
        severity: 'warning',
        line: 3,
        column: 58,
        message: '"password" has a secret in it that everybody who reads this file sees',
        hint: 'Use { env: NAME } or { file: PATH }.',
      },
    ]);
    const inUrl = parseTriggerFile(
      trigger('source: { mqtt: { url: "mqtt://u:tOpSeCrEt@h", topic: t } }', 'drop: {}'),
      'f',
    );
    expect(inUrl.warnings).toHaveLength(1);
    expect(JSON.stringify([warnings, inUrl.warnings])).not.toContain('tOpSeCrEt');
  });

  test('in an option that is wrong are not shown', async () => {
    expect(told(withSecret('[tOpSeCrEt]')).join()).not.toContain('tOpSeCrEt');
    const file = parseTriggerFile(trigger('source: { mqtt: { url: "tOpSeCrEt:", topic: t } }', 'drop: {}'), 'f');
    const error = await triggersFrom(file).catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(/f:3:15: mqtt\(\): url is one as/);
    expect(String(error)).not.toContain('tOpSeCrEt');
  });
});
