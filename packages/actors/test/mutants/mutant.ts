/** One rule of the production code, broken by one change of its text. */
export interface Mutant {
  readonly name: string;
  /** What it breaks. */
  readonly rule: string;
  /** Path inside the package. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Which of the package's `runs` is to find it, … */
  readonly run: string;
  /** … and the first seed that was seen to. */
  readonly seed: number;
}
