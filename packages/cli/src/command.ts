import { TroupeError } from '@troupe/actors';
import { dev, DEV_USAGE } from './dev.ts';
import { UsageError } from './errors.ts';
import { triggerCommand, TRIGGER_USAGE } from './trigger-command.ts';
import { workflowCommand, WORKFLOW_USAGE } from './workflow-command.ts';

const USAGES: Readonly<Record<string, string>> = { dev: DEV_USAGE, workflow: WORKFLOW_USAGE, trigger: TRIGGER_USAGE };
const USAGE = Object.values(USAGES).join('\n\n');

/**
 * Runs the `troupe` command and resolves with its exit code: 0, 1 when it failed, 2 when the arguments make no sense.
 */
export async function main(args: readonly string[]): Promise<number> {
  if (args.some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const [command, ...rest] = args;
  try {
    if (command === 'dev') return await dev(rest);
    if (command === 'workflow') return await workflowCommand(rest);
    if (command === 'trigger') return await triggerCommand(rest);
    throw new UsageError(
      command === undefined ? 'a command is needed' : `there is no command ${JSON.stringify(command)}`,
    );
  } catch (error) {
    if (isUsage(error)) {
      process.stderr.write(`troupe: ${error.message}\n\n${USAGES[command ?? ''] ?? USAGE}\n`);
      return 2;
    }
    if (!(error instanceof TroupeError)) throw error;
    console.error(`troupe: ${error.message}`);
    return 1;
  }
}

/** Ours, or what `parseArgs` throws. */
function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
