import { kubernetes, type KubernetesOptions } from '../../../src/kubernetes.ts';

export default (options: KubernetesOptions) => kubernetes(options);
