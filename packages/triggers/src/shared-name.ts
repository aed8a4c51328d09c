import type { SourceContext } from './source.ts';

/** What a trigger is called where all its hosts have one name: durable consumers, queue groups, sessions. */
export function sharedName(context: Pick<SourceContext, 'app' | 'trigger'>): string {
  return `troupe-${context.app}-${context.trigger}`;
}
