// What the compiler knows of a rule's events. A wrong `@ts-expect-error` fails the type check, not this test.

import { workflow, type Schema } from '@troupe/workflow';
import { expect, test } from 'vitest';
import { cloudEvents } from '../src/http.ts';
import { start, trigger, Triggers } from '../src/index.ts';

interface Order {
  readonly id: string;
  readonly total: number;
}

const schema: Schema<unknown, Order> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Order }) },
};
const order = workflow('order', async (_ctx, input: Order) => input);

test('a schema or a type argument gives the data its type; without either it is any', () => {
  const triggers = new Triggers();
  trigger(triggers, 'schema', cloudEvents(), {
    schema,
    // @ts-expect-error -- there is no such property
    filter: (event) => event.data.price > 0,
    do: start(order, { instanceId: (event) => `order-${event.data.id}`, input: (event) => event.data }),
  });
  trigger(triggers, 'function', cloudEvents(), {
    schema,
    // @ts-expect-error -- there is no such property
    do: (event) => start(order, { instanceId: () => event.data.price }),
  });
  trigger<Order>(triggers, 'argument', cloudEvents(), {
    // @ts-expect-error -- there is no such property
    do: start(order, { instanceId: (event) => event.data.price }),
  });
  trigger(triggers, 'neither', cloudEvents(), { do: start(order, { instanceId: (event) => event.data.id }) });
  // @ts-expect-error -- the input of the workflow is an order
  trigger(triggers, 'input', cloudEvents(), { do: start(order, { input: () => 'no order' }) });
  expect(triggers.actors).not.toHaveLength(0);
});
