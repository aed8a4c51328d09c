import type { KubernetesOptions } from '../../src/kubernetes.ts';
import { KubernetesApi } from '../servers/kubernetes-api.ts';
import type { SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const kit: SourceKit = {
  kind: 'kubernetes',
  runsOn: 'one-host',
  trace: false,
  valueAt: 'data.spec.number',
  server: () => Promise.resolve({ end: () => Promise.resolve() }),
  async origin() {
    // One for each test: it has one resource.
    const api = await KubernetesApi.start();
    const options: KubernetesOptions = {
      apiServer: api.url,
      group: 'batch',
      version: 'v1',
      resource: 'jobs',
      namespace: 'shop',
    };
    return {
      options,
      publish: (numbers, _, { paddingBytes } = {}) => {
        const text = paddingBytes === undefined ? {} : { text: 'x'.repeat(paddingBytes) };
        return Promise.resolve(
          numbers.map((number) => {
            const { uid, resourceVersion } = api.put(`o${number}`, { number, ...text }).metadata;
            return { source: 'kubernetes:batch/v1/jobs/shop', id: `${uid}/${resourceVersion}`, value: number };
          }),
        );
      },
      // Whoever watches lists all of them again, in the versions that they have.
      publishAgain: () => {
        api.compact();
        api.endWatches(410);
        return Promise.resolve();
      },
      // It keeps no account of who has seen what.
      unacknowledged: () => Promise.resolve(undefined),
      end: () => api.end(),
    };
  },
};

sourceSuite(kit);
