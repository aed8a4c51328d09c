import { z } from 'zod';
import type { CronOptions } from '../cron.ts';
import type { EndingsOptions } from '../endings.ts';
import { CATCH_UP_MS_MAX, CATCH_UP_MS_MIN } from '../limits.ts';
import { flag, options, text, textOrTexts, wholeNumber, type OptionShape } from './option-schemas.ts';
import type { SourceKind } from './source-kind.ts';

export const timedKinds = {
  cron: {
    schema: options(
      {
        schedule: textOrTexts('Cron patterns of five fields, or six with seconds in front.'),
        timeZone: text('A name of the IANA database, as Europe/Berlin. Default: UTC.').optional(),
        catchUpMs: wholeNumber(
          'Ticks that nobody could fire are fired late if they are no older than this. Default: a day.',
          CATCH_UP_MS_MIN,
          CATCH_UP_MS_MAX,
        ).optional(),
        overlap: z
          .enum(['skip', 'buffer-one', 'buffer-all', 'cancel-other', 'terminate-other', 'allow-all'])
          .meta({ description: 'What happens while the instance that an earlier tick started runs. Default: skip.' })
          .optional(),
        jitterMs: wholeNumber('Each tick is fired later by up to this. Default: 0.', 0, CATCH_UP_MS_MAX).optional(),
      } satisfies OptionShape<CronOptions>,
      'Ticks of a schedule.',
    ),
    make: async (given: CronOptions) => (await import('../cron.ts')).cron(given),
  },
  endings: {
    schema: options(
      {
        workflow: textOrTexts('Names of workflows.'),
        on: z
          .array(z.enum(['completed', 'failed', 'terminated']))
          .min(1)
          .meta({ description: 'Which ends. Default: all.' })
          .optional(),
        ownInstances: flag('Also of instances that this very trigger started. Default: false.').optional(),
      } satisfies OptionShape<EndingsOptions>,
      "Ends of the application's own instances.",
    ),
    make: async (given: EndingsOptions) => (await import('../endings.ts')).endings(given),
  },
} satisfies Readonly<Record<string, SourceKind>>;
