// What the files of `child-sources` export by default: they run in the process of the host.

import type { Source } from '../../src/index.ts';

/** Makes the source from `Origin.options`. */
export type ChildSource = (options: never) => Source;
