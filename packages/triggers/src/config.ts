// The public surface of @troupe/triggers/config: triggers from files.

export {
  parseTriggerFile,
  readTriggerFile,
  triggersFrom,
  type TriggerFile,
  type TriggerFileOptions,
} from './config/trigger-file.ts';
export { formatFinding, TriggerFileError, type Finding } from './config/finding.ts';
