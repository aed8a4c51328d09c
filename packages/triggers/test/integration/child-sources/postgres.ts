import { postgresOutbox, type PostgresOutboxOptions } from '../../../src/postgres.ts';

export default (options: PostgresOutboxOptions) => postgresOutbox(options);
