import { textOf, wireText, type WireText } from './wire-value.ts';

/** TraceContext, decoded. */
export interface DecodedTrace {
  readonly traceParent: string;
  readonly spanID: string;
  readonly traceState: WireText;
}

/** … as the details of events keep it. */
export interface PlainTrace {
  readonly traceParent: string;
  readonly spanID?: string;
  readonly traceState?: string;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-([0-9a-f]{16})-[0-9a-f]{2}/;

export function plainTrace(trace: DecodedTrace | null): PlainTrace | undefined {
  if (trace === null || trace.traceParent === '') return undefined;
  const traceState = textOf(trace.traceState);
  return {
    traceParent: trace.traceParent,
    ...(trace.spanID === '' ? {} : { spanID: trace.spanID }),
    ...(traceState === undefined ? {} : { traceState }),
  };
}

export function wireTrace(trace: PlainTrace | undefined, traceparent?: string): object | undefined {
  if (trace !== undefined) return { ...trace, traceState: wireText(trace.traceState) };
  if (traceparent === undefined) return undefined;
  return { traceParent: traceparent, spanID: TRACEPARENT.exec(traceparent)?.[1] ?? '' };
}

/** What of a trace the engine carries on; nothing if it is none. */
export function traceparentOf(trace: DecodedTrace | null): string | undefined {
  return trace !== null && TRACEPARENT.test(trace.traceParent) ? trace.traceParent : undefined;
}
