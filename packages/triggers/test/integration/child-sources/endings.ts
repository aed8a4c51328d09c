import { endings, type EndingsOptions } from '../../../src/endings.ts';

export default (options: EndingsOptions) => endings(options);
