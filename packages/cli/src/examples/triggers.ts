import { start, trigger, Triggers } from '@troupe/triggers';
import { cron } from '@troupe/triggers/cron';
import { files } from '@troupe/triggers/files';
import { cloudEvents } from '@troupe/triggers/http';
import { hello } from './hello.ts';
import { order } from './order.ts';

/**
 * What needs nothing but the service: CloudEvents over HTTP start orders, each minute starts a greeting, and each JSON file that
 * is dropped into `inbox` starts an order.
 */
export function exampleTriggers(inbox: string | undefined): Triggers {
  const triggers = new Triggers();
  trigger(triggers, 'orders', cloudEvents(), { do: start(order) });
  trigger(triggers, 'minutely', cron({ schedule: '* * * * *' }), { do: start(hello, { input: () => 'minute' }) });
  if (inbox !== undefined)
    trigger(triggers, 'inbox', files({ folder: inbox, pattern: '*.json', name: 'inbox' }), { do: start(order) });
  return triggers;
}
