import { greet, hello } from './examples/hello.ts';
import { order } from './examples/order.ts';
import { exampleTriggers } from './examples/triggers.ts';
import { makeCode, phoneVerification } from './examples/phone-verification.ts';

export { exampleTriggers, hello, order, phoneVerification };

/** The workflows that `troupe dev` serves unless told otherwise. */
export const exampleWorkflows = [hello, order, phoneVerification];

/** The activities that they call. */
export const exampleActivities = [greet, makeCode];
