/** The first index below `length` of which `isBefore` does not hold, where it holds of all before and of none after; else `length`. */
export function lowerBound(length: number, isBefore: (index: number) => boolean): number {
  let low = 0;
  for (let high = length; low < high;) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
