import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects all garbage. Finalizers and their garbage too: what native objects hold goes a round later. */
export async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 1; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
