// How far the single reader of a source has come. The session number is the fence: a reader that was replaced
// saves nothing more.

import { actor, type ActorHost } from '@troupe/actors';
import { StaleReaderError } from './errors.ts';
import type { SourceCursor } from './source.ts';

interface Kept {
  session: number;
  value: unknown;
}

export const readerCursorActor = actor('trigger-cursor', {
  state: (): Kept => ({ session: 0, value: undefined }),
  methods: {
    open(ctx): { readonly session: number; readonly value: unknown } {
      ctx.state.session++;
      return { session: ctx.state.session, value: ctx.state.value };
    },
    save(ctx, session: number, value: unknown): boolean {
      if (session !== ctx.state.session) return false;
      ctx.state.value = value;
      return true;
    },
  },
});

/** Makes this host the reader of a trigger; whoever was it before is none any more. */
export async function openCursor(host: ActorHost, trigger: string): Promise<SourceCursor> {
  const ref = host.actor(readerCursorActor, trigger);
  const { session, value: first } = await ref.open();
  let value = first;
  return {
    get value() {
      return value;
    },
    async save(next) {
      if (!(await ref.save(session, next)))
        throw new StaleReaderError(`another host reads the source of trigger ${JSON.stringify(trigger)} now`);
      value = next;
    },
  };
}
