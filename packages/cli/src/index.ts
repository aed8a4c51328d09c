// The public surface of the `troupe` package: what its command is made of, for those who start a service from code.

export { main } from './command.ts';
export { serve, type ServeOptions, type Service, type SharedState } from './serve.ts';
export { natsSettings, type NatsArguments, type NatsCredentials, type NatsSettings } from './nats-settings.ts';
export { NatsRefusedError, PortError, UsageError } from './errors.ts';
export { serviceLogger } from './log.ts';

// The workflows that `troupe dev` serves.
export { exampleActivities, exampleWorkflows, hello, order, phoneVerification } from './examples.ts';
