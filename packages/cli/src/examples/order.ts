import { event, NonRetryableError, workflow } from '@troupe/workflow';
import { z } from 'zod';

const DAY_MS = 24 * 60 * 60 * 1_000;
const RETRY = { maxAttempts: 5, initialIntervalMs: 200 };

const Order = z.object({ item: z.string().min(1), amount: z.number().positive() });
const Approval = z.object({ by: z.string().min(1) });

/** Reserves, charges, waits for somebody's approval, ships. What was done is taken back if the rest cannot be. */
export const order = workflow(
  'order',
  { input: Order, events: { approved: event(Approval) } },
  async (ctx, { item, amount }) => {
    ctx.setCustomStatus({ stage: 'reserving', item });
    const { shelf } = await ctx.step('reserveStock', () => reserveStock(item), {
      retry: RETRY,
      undo: releaseStock,
    });
    // A step may run twice when its host dies. Whoever takes the money knows by the id that it is the same charge.
    const receipt = await ctx.step('chargeCard', () => chargeCard(ctx.instanceId, item, amount), {
      retry: RETRY,
      undo: refund,
    });

    ctx.setCustomStatus({ stage: 'waiting for approval', item, receipt });
    const { by } = await ctx.waitForExternalEvent('approved', { timeoutMs: 3 * DAY_MS });

    ctx.setCustomStatus({ stage: 'shipping', item, receipt });
    const parcel = await ctx.step('ship', () => ship(item, shelf), { retry: RETRY });
    ctx.setCustomStatus({ stage: 'shipped', item, receipt });
    return { receipt, by, parcel };
  },
);

// What follows stands for other people's services.

interface Reservation {
  readonly item: string;
  readonly shelf: string;
}

export interface Receipt {
  readonly receiptId: string;
  readonly amount: number;
}

function reserveStock(item: string): Reservation {
  return { item, shelf: `shelf-${item.length}` };
}

function releaseStock({ shelf }: Reservation): string {
  return `released ${shelf}`;
}

function chargeCard(orderId: string, item: string, amount: number): Receipt {
  // The way to see an order fail: no further attempt would help.
  if (item === 'fail') throw new NonRetryableError('the card was declined');
  return { receiptId: `receipt-${orderId}`, amount };
}

function refund({ receiptId }: Receipt): string {
  return `refunded ${receiptId}`;
}

function ship(item: string, shelf: string): string {
  return `${item} from ${shelf}`;
}
