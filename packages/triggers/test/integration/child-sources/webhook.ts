import { standardWebhooks, webhook } from '../../../src/http.ts';

export default ({ secret }: { readonly secret: string }) => webhook({ verify: standardWebhooks({ secret }) });
