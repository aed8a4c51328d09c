import { afterEach, expect, test, vi } from 'vitest';
import { main } from '../src/command.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Runs the command with what it writes caught. */
async function run(...args: readonly string[]): Promise<{ code: number; output: string }> {
  let output = '';
  const write = (text: unknown): boolean => {
    output += String(text);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(write);
  vi.spyOn(process.stderr, 'write').mockImplementation(write);
  vi.spyOn(console, 'error').mockImplementation(write);
  return { code: await main(args), output };
}

test('help shows everything and is no mistake', async () => {
  const { code, output } = await run('--help');
  expect(code).toBe(0);
  expect(output).toContain('troupe dev');
  expect(output).toContain('troupe workflow');
});

test.each([
  [[], 'a command is needed'],
  [['serve'], 'there is no command "serve"'],
  [['dev', '--prot', '1'], "Unknown option '--prot'"],
  [['dev', '--port', '70000'], '--port is a number from 0 to 65535, got "70000"'],
  [['workflow'], 'needs one of list, start'],
  [['workflow', 'constructor'], 'needs one of list, start'],
  [['workflow', 'get'], 'usage: troupe workflow get ID'],
  [['workflow', 'get', 'x', '--force'], 'has no --force'],
  [['workflow', 'list', '--status', 'fine'], '--status is one of pending'],
  [['workflow', 'list', '--limit', 'x'], '--limit is a number'],
  [['workflow', 'start', 'order', '--input', 'book'], '--input is JSON (a string needs its quotes)'],
])('%j is answered with what is wrong and with the usage', async (args, message) => {
  const { code, output } = await run(...args);
  expect(code).toBe(2);
  expect(output).toContain(message);
  expect(output).toContain(args[0] === 'workflow' ? 'terminate ID' : '--no-examples');
});

test('a service that does not answer is named', async () => {
  const { code, output } = await run('workflow', 'get', 'x', '--url', 'http://127.0.0.1:1');
  expect(code).toBe(1);
  expect(output).toContain('http://127.0.0.1:1');
});
