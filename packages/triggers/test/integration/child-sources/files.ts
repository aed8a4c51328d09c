import { files, type FilesOptions } from '../../../src/files.ts';

export default (options: FilesOptions) => files(options);
