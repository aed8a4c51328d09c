// What the workers of these tests run: the same workflows and activities whatever the SDK.
//
// `words` are the few that the SDKs do not share: `child`, `all`, `any`, `idOf`, `nowOf`. `tell` says something to the
// test at once; `hold` tells it a key and waits until the test lets go of it. A workflow that holds keeps its turn out.
//
// Numbers begin with 1: some of the SDKs take a 0 for nothing.

/** Each tells the test that it runs, and with what. */
export function activitiesOf({ tell, hold }) {
  const failures = new Map();
  const activities = {
    plusOne: (_, number) => number + 1,
    square: (_, number) => number * number,
    echo: (_, value) => value,
    explode: (_, message) => {
      throw new RangeError(message);
    },
    /** Fails the first `times` times. */
    flaky: (_, { key, times }) => {
      const failed = failures.get(key) ?? 0;
      if (failed === times) return failed;
      failures.set(key, failed + 1);
      throw new RangeError(`failure ${failed + 1}`);
    },
    held: async (_, key) => {
      await hold(key);
      return `let go of ${key}`;
    },
    textOf: (_, length) => 'ä'.repeat(length / 2),
  };
  const told = ([name, run]) => [
    name,
    (context, input) => {
      tell({ ran: name, input });
      return run(context, input);
    },
  ];
  return Object.fromEntries(Object.entries(activities).map(told));
}

export function workflowsOf({ child, all, any, idOf, nowOf, hold }) {
  return {
    async echo(_, input) {
      return input;
    },

    async *sequence(ctx, start) {
      const numbers = [start];
      for (let step = 0; step < 10; step++) numbers.push(yield ctx.callActivity('plusOne', numbers.at(-1)));
      ctx.setCustomStatus('counted');
      return numbers;
    },

    async *addTwo(ctx, number) {
      return yield ctx.callActivity('plusOne', yield ctx.callActivity('plusOne', number));
    },

    async *fanOut(ctx, width) {
      const squares = yield all(
        ctx,
        Array.from({ length: width }, (_, index) => ctx.callActivity('square', index + 1)),
      );
      return squares.reduce((sum, square) => sum + square, 0);
    },

    async *withChildren(ctx, starts) {
      const results = yield all(
        ctx,
        starts.map((start) => child(ctx, 'sequence', start)),
      );
      return results.map((numbers) => numbers.at(-1));
    },

    /** Has a child, that has a child …, and the last one waits for `go`. */
    async *family(ctx, generations) {
      if (generations === 1) return yield ctx.waitForExternalEvent('go');
      return yield child(ctx, 'family', generations - 1, `${idOf(ctx)}.child`);
    },

    async *eventsInTurn(ctx, names) {
      const payloads = [];
      for (const name of names) payloads.push(yield ctx.waitForExternalEvent(name));
      return payloads;
    },

    async *approval(ctx, seconds) {
      const approved = ctx.waitForExternalEvent('approved');
      const winner = yield any(ctx, [approved, ctx.createTimer(seconds)]);
      return winner === approved ? { by: approved.getResult() } : 'timed out';
    },

    /** Its own time before and after a timer. */
    async *nap(ctx, ms) {
      const before = nowOf(ctx).getTime();
      yield ctx.createTimer(new Date(before + ms));
      return [before, nowOf(ctx).getTime()];
    },

    async countToTen(ctx, number) {
      if (number === 10) return number;
      ctx.continueAsNew(number + 1, true);
    },

    /** One event in each execution. */
    async *collect(ctx, { count, collected }) {
      const items = [...collected, yield ctx.waitForExternalEvent('item')];
      if (items.length === count) return items;
      ctx.continueAsNew({ count, collected: items }, true);
    },

    async *announce(ctx, statuses) {
      for (const status of statuses) {
        ctx.setCustomStatus(status);
        yield ctx.waitForExternalEvent('next');
      }
    },

    // oxlint-disable-next-line require-yield
    async *fail(_, message) {
      throw new RangeError(message);
    },

    async *failInActivity(ctx, message) {
      yield ctx.callActivity('explode', message);
    },

    async *catchActivity(ctx, message) {
      try {
        yield ctx.callActivity('explode', message);
      } catch (error) {
        return { caught: error.message };
      }
    },

    async *catchChild(ctx, { name, input, childId }) {
      try {
        return { got: yield child(ctx, name, input, childId) };
      } catch (error) {
        return { caught: error.message };
      }
    },

    async *callNobody(ctx) {
      yield ctx.callActivity('nobodyHasThis');
    },

    async *holdInActivity(ctx, key) {
      return yield ctx.callActivity('held', key);
    },

    async *holdTurn(ctx, key) {
      const before = yield ctx.callActivity('plusOne', 1);
      await hold(key);
      return yield ctx.callActivity('plusOne', before);
    },

    async *big(ctx, length) {
      const text = yield ctx.callActivity('textOf', length);
      return yield ctx.callActivity('echo', text);
    },
  };
}
