import { activity, workflow } from '@troupe/workflow';
import { z } from 'zod';

export interface Greeting {
  readonly word: string;
  readonly name: string;
}

export const greet = activity('greet', (_ctx, { word, name }: Greeting) => `${word}, ${name}!`);

/** Greets somebody in three languages, one after the other. */
export const hello = workflow('hello', { input: z.string().min(1).default('world') }, async (ctx, name) => {
  const greetings: string[] = [];
  for (const word of ['Hello', 'Bonjour', 'Hola']) {
    greetings.push(await ctx.callActivity(greet, { word, name }));
  }
  return greetings;
});
