import type { SourceContext } from './source.ts';

/** What a trigger is called where all its hosts have one name: durable consumers, queue groups, sessions. */
export function sharedName(context: SourceContext): string {
  return `troupe-${context.trigger}`;
}
