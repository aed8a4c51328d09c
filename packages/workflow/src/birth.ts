const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_';
let lastMs = NaN;
let printedMs = '';

/** Unique over all lives of all instances, and short: it is part of each task's id. */
export function newBirth(ctx: { nowMs(): number; random(): number }): string {
  const nowMs = ctx.nowMs();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    printedMs = nowMs.toString(36);
  }
  let birth = printedMs;
  for (let half = 0; half < 2; half++) {
    for (let bits = Math.floor(ctx.random() * 2 ** 24), left = 4; left > 0; left--, bits >>>= 6)
      birth += LETTERS[bits & 63];
  }
  return birth;
}
