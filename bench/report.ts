import type { Line } from './line.ts';
import { byPackage, type ProfileRow } from './profile.ts';

/** Functions of a profile that are shown. */
const FUNCTIONS_SHOWN = 25;

/** Four digits of what is measured; counts stay as they are. */
export function rounded(line: Line): Line {
  return Object.fromEntries(
    Object.entries(line).map(([name, value]) => [
      name,
      typeof value !== 'number' || Number.isSafeInteger(value) ? value : Number(value.toPrecision(4)),
    ]),
  ) as Line;
}

/**
 * The lines of one workload as aligned columns. Lines with the same figures share a table: their names stand on top, or
 * at the side where there is only one line.
 */
export function table(lines: readonly Line[]): string {
  const groups = new Map<string, Line[]>();
  for (const line of lines) {
    const names = Object.keys(line).join();
    groups.set(names, [...(groups.get(names) ?? []), line]);
  }
  return [...groups.values()]
    .map((group) => {
      const names = Object.keys(group[0]!);
      // A figure is a row, a line is a column: there are more figures than fit beside one another.
      return aligned(names.map((name) => [name, ...group.map((line) => String(line[name]))]));
    })
    .join('\n\n');
}

/** A profile by package and by function, as shares of the time that the main thread was busy. */
export function profileTable(workload: string, rows: readonly ProfileRow[]): string {
  const totalMs = rows.reduce((sum, { ms }) => sum + ms, 0);
  const share = (ms: number): string => `${((100 * ms) / totalMs).toFixed(1)} %`;
  return [
    `${workload}: where ${Math.round(totalMs)} ms of the main thread went, by package`,
    aligned(byPackage(rows).map(({ name, ms }) => [name, share(ms)])),
    `${workload}: by function, without what it calls`,
    aligned(rows.slice(0, FUNCTIONS_SHOWN).map((row) => [row.name, row.package, share(row.ms)])),
  ].join('\n\n');
}

/** Pads the cells: names end in one column, figures in others. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  '),
    )
    .join('\n');
}
