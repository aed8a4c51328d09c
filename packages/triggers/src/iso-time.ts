/** As in ids and times of events: RFC 3339 in UTC, with milliseconds. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
