import { cron, type CronOptions } from '../../../src/cron.ts';

export default (options: CronOptions) => cron(options);
