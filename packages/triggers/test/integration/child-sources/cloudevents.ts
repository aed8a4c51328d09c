import { cloudEvents, type CloudEventsOptions } from '../../../src/http.ts';

export default (options: CloudEventsOptions) => cloudEvents(options);
