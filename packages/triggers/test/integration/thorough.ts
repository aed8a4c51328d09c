/** Whether tests that take long are run too: `npm run chaos` runs them. What they test is tested in small by others. */
export const thorough = process.env['TROUPE_ROUNDS'] !== undefined;
