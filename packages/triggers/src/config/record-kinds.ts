import { z } from 'zod';
import type { FilesOptions } from '../files.ts';
import type { KubernetesOptions } from '../kubernetes.ts';
import { INTERVAL_MS_MAX, LEASE_MS_MIN, POLL_INTERVAL_MS_MIN, SCAN_PAUSE_MS } from '../limits.ts';
import type { PostgresOutboxOptions } from '../postgres.ts';
import { options, passedThrough, secret, text, wholeNumber, type OptionShape } from './option-schemas.ts';
import type { SourceKind } from './source-kind.ts';

export const recordKinds = {
  files: {
    schema: options(
      {
        folder: text('The folder; its sub-folders are not looked into.'),
        pattern: text('Names to take: * is any characters, ? is one. Default: *.').optional(),
        name: text('The source of the events is file:<name>. Default: the folder.').optional(),
        after: z
          .union([z.enum(['keep', 'delete']), z.strictObject({ moveTo: text('Folder, seen from the other.') })])
          .meta({ description: 'What becomes of a file whose event is settled. Default: { moveTo: done }.' })
          .optional(),
        failedTo: text('Where files go whose event became a dead letter. Default: failed.').optional(),
        contentType: text('Media type of the files. Default: by the end of their names.').optional(),
        settleMs: wholeNumber(
          'A file is complete when it has not changed for so long. Default: 1 s.',
          0,
          INTERVAL_MS_MAX,
        ).optional(),
        scanIntervalMs: wholeNumber(
          'How often the folder is looked at anyway. Default: 10 s.',
          SCAN_PAUSE_MS,
          INTERVAL_MS_MAX,
        ).optional(),
      } satisfies OptionShape<FilesOptions>,
      'Files that are dropped into a folder.',
    ),
    make: async (given: FilesOptions) => (await import('../files.ts')).files(given),
  },
  postgres: {
    schema: options(
      {
        connection: z
          .union([secret('postgres://user:password@host/database'), passedThrough('Settings of pg.')])
          .meta({ description: 'postgres://user:password@host/database, or settings of pg.' }),
        table: text('table or schema.table.'),
        source: text('What a row without a source of its own comes from. Default: postgres:<table>.').optional(),
        channel: text('Channel on which NOTIFY tells of new rows.').optional(),
        settled: z
          .enum(['delete', 'mark'])
          .meta({ description: 'What becomes of a settled row. Default: delete.' })
          .optional(),
        pollIntervalMs: wholeNumber(
          'How often the table is looked at. Default: 1 s; 10 s with a channel.',
          POLL_INTERVAL_MS_MIN,
          INTERVAL_MS_MAX,
        ).optional(),
        leaseMs: wholeNumber(
          'After how long a row comes again whose host is gone. Default: 30 s.',
          LEASE_MS_MIN,
          INTERVAL_MS_MAX,
        ).optional(),
      } satisfies OptionShape<PostgresOutboxOptions>,
      'Rows of a table that an application writes them to: an outbox.',
    ),
    make: async (given: PostgresOutboxOptions) => (await import('../postgres.ts')).postgresOutbox(given),
  },
  kubernetes: {
    schema: options(
      {
        group: text('API group, as batch; none for the core group.').optional(),
        version: text('As v1.'),
        resource: text('The plural in lower case, as jobs.'),
        namespace: text('Default: all namespaces.').optional(),
        labelSelector: text('As of kubectl --selector.').optional(),
        fieldSelector: text('As of kubectl --field-selector.').optional(),
        existing: z
          .enum(['deliver', 'skip'])
          .meta({
            description: 'What is there when the trigger first runs: an event for each, or none. Default: deliver.',
          })
          .optional(),
        apiServer: text('As https://host:6443. Default: that of the cluster in which the process runs.').optional(),
        token: secret('Token for the API server.').optional(),
        tokenFile: text('File with the token, read again for each request.').optional(),
        ca: secret('Certificate authority of the API server in PEM.').optional(),
      } satisfies OptionShape<KubernetesOptions>,
      'Objects of Kubernetes that are added, modified or deleted.',
    ),
    make: async (given: KubernetesOptions) => (await import('../kubernetes.ts')).kubernetes(given),
  },
} satisfies Readonly<Record<string, SourceKind>>;
