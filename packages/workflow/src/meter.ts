/** Counts since the start of a host. */
export interface HostMeter {
  started: number;
  completed: number;
  failed: number;
  terminated: number;
  activitiesCompleted: number;
  activitiesFailed: number;
}

export function newMeter(): HostMeter {
  return { started: 0, completed: 0, failed: 0, terminated: 0, activitiesCompleted: 0, activitiesFailed: 0 };
}
