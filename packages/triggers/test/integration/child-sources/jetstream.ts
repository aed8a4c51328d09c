import { jetstream, type JetStreamOptions } from '../../../src/jetstream.ts';

export default (options: JetStreamOptions) => jetstream(options);
