import type { z } from 'zod';
import type { Source } from '../source.ts';

/** A kind of source as a file can name it. */
export interface SourceKind {
  /** Of its options. */
  readonly schema: z.ZodType;
  /** Makes one of what the schema gave, with its secrets fetched. What it needs is loaded only now. */
  readonly make: (options: never) => Promise<Source>;
}
