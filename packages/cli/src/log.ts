import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

/**
 * Logs to standard error: lines for people on a terminal, JSON lines elsewhere. `level` defaults to the environment's
 * `LOG_LEVEL`, and that to `info`.
 */
export function serviceLogger(level = process.env['LOG_LEVEL'] ?? 'info'): Logger {
  const destination = process.stderr.isTTY
    ? pretty({
        destination: 2,
        sync: true,
        colorize: process.stderr.hasColors(),
        ignore: 'pid,hostname',
        singleLine: true,
        translateTime: 'HH:MM:ss',
      })
    : pino.destination({ dest: 2, sync: true });
  const { err } = pino.stdSerializers;
  return pino({ level, base: { pid: process.pid }, serializers: { err, error: err } }, destination);
}
