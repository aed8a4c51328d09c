import { test } from 'vitest';
import { expectExample } from './run-example.ts';

test('17-own-source.ts runs to its end and prints what it should', async () => {
  await expectExample(
    '17-own-source.ts',
    [
      '/home is indexed',
      '/home is indexed',
      'a dead letter, job 2: there is no page /old',
      'tried once more: started',
      'page-2: /old is indexed',
      'dead letters: 0',
    ],
    // That it is a dead letter is told.
    { errors: /^an event could not be handled, and is a dead letter now \{/ },
  );
});
