/** Where an operation is. After one of the last four nothing can come any more. */
export type State = "queued" | "running" | "cancelling" | "succeeded" | "failed" | "cancelled" | "lost";

/** The whole present progress of an operation; null where it is not known. Durations are seconds. */
export interface OperationProgress {
  readonly completed: number | null;
  readonly total: number | null;
  readonly unit: string | null;
  /** 0 to 1. It falls where a total has grown; `Operation.fraction` does not. */
  readonly fraction: number | null;
  readonly message: string | null;
  /** Units a second. */
  readonly rate: number | null;
  /** Seconds to go. */
  readonly eta: number | null;
  /** Seconds since it began to run, as of its last event. */
  readonly elapsed: number | null;
  /** Its place in the queue, from 1. */
  readonly position: number | null;
}

export interface Step {
  readonly id: string;
  readonly parent: string | null;
  readonly label: string;
  readonly weight: number;
  readonly state: "pending" | "running" | "succeeded" | "failed" | "cancelled";
  readonly completed: number;
  readonly total: number | null;
  readonly unit: string | null;
  readonly fraction: number | null;
  readonly message: string | null;
  readonly rate: number | null;
  readonly eta: number | null;
}

/** RFC 9457. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly status?: number;
  /** What is wrong with the input, with a JSON Pointer to each place. */
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly traceback?: string;
}

/** The whole present state of an operation. It is never changed, only replaced. Times are RFC 3339. */
export interface Snapshot {
  readonly id: string;
  readonly kind: string;
  readonly state: State;
  readonly progress: OperationProgress;
  readonly steps: readonly Step[];
  readonly params: unknown;
  readonly labels: Readonly<Record<string, string>>;
  readonly result: unknown;
  readonly error: Problem | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly updated_at: string;
  readonly finished_at: string | null;
  readonly cursor: string;
}

interface Fact {
  readonly cursor: string;
  readonly operation: string;
  readonly time: string;
}
export interface ProgressMessage extends Fact {
  readonly type: "progress";
  readonly progress: OperationProgress;
  /** The step that has changed, whole. */
  readonly step: Step | null;
}
export interface StateMessage extends Fact {
  readonly type: "state";
  readonly state: State;
  readonly result?: unknown;
  readonly error?: Problem;
}
export interface LogMessage extends Fact {
  readonly type: "log";
  readonly level: "debug" | "info" | "warning" | "error";
  readonly message: string;
  readonly step: string | null;
}
export interface OutputMessage extends Fact {
  readonly type: "output";
  readonly data: unknown;
}
export interface SnapshotMessage {
  readonly type: "snapshot";
  readonly operation: string;
  readonly snapshot: Snapshot;
}
/** So much was no longer kept when you came for it. */
export interface GapMessage {
  readonly type: "gap";
  readonly operation: string | null;
  readonly reason: "trimmed" | "expired" | "epoch" | "future";
  readonly missed: { readonly state: number; readonly log: number; readonly output: number } | null;
}
export interface PingMessage {
  readonly type: "ping";
  readonly cursor: string;
}
export interface ByeMessage {
  readonly type: "bye";
  readonly reason: "complete" | "drain" | "slow" | "busy";
  readonly reconnect: boolean;
}
/** What changes an operation, and what is told about it. */
export type OperationMessage =
  | SnapshotMessage
  | ProgressMessage
  | StateMessage
  | LogMessage
  | OutputMessage
  | GapMessage;
export type Message = OperationMessage | PingMessage | ByeMessage;

/** Values of one name are alternatives; labels, each `name:value`, have to hold all. */
export interface Filter {
  readonly kind?: string | readonly string[];
  readonly label?: string | readonly string[];
  readonly state?: State | readonly State[];
}

export interface Kind {
  readonly kind: string;
  readonly description: string | null;
  /** JSON Schema of its parameters. */
  readonly params: Record<string, unknown>;
}

export type Transport = "sse" | "ws" | "poll";

/** How the connection is. It is never changed, only replaced. */
export interface ConnectionStatus {
  /**
   * `idle`: nothing is watched. `connecting`: a first try. `live`: news come as they happen.
   * `polling`: they come a second late. `waiting`: it broke; the next try is at `retryAt`.
   * `stopped`: the server does not let us in; `error` says why.
   */
  readonly state: "idle" | "connecting" | "live" | "polling" | "waiting" | "stopped";
  readonly transport: Transport | null;
  /** When the next try is, as `Date.now()`; null unless `waiting`. */
  readonly retryAt: number | null;
  /** When the server was heard last, as `Date.now()`. A quiet server is heard every 15 s. */
  readonly heardAt: number | null;
  readonly error: Error | null;
}

/** A value that tells when it has been replaced: what React's `useSyncExternalStore` takes. */
export interface Store<Value> {
  readonly snapshot: Value;
  /** Call back at each change, until the function that it returns is called. It needs no `this`. */
  readonly subscribe: (callback: (message?: OperationMessage) => void) => () => void;
}

export interface ClientOptions {
  /**
   * The bearer token. It is asked for when it is needed first, and again after a 401. In a page it
   * is also kept as the cookie `progress_token`, for `EventSource` and WebSocket.
   */
  token?: () => string | null | undefined | Promise<string | null | undefined>;
  /** Tried in this order. All three: `["sse", "ws", "poll"]`. */
  transports?: readonly Transport[];
  /** Share one connection with the other tabs, where there is a SharedWorker. True. */
  shared?: boolean;
  /** Whose page this is, where cookies say so: tabs that differ in it share no connection. */
  session?: string;
  /** Milliseconds of silence after which a stream counts as dead; more than two heartbeats. 35,000. */
  silence?: number;
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
  clock?: Clock;
  /** From 0 to 1, as `Math.random`. */
  random?: () => number;
}

export interface Clock {
  /** Milliseconds. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface StartOptions {
  readonly labels?: Readonly<Record<string, string>>;
  /** Gives up starting; what has been started goes on. */
  readonly signal?: AbortSignal;
}

/** Starts operations and follows them, over one connection. */
export class ProgressClient {
  /** `base` is where the server is mounted, e.g. `/` or `https://example.org/progress/`. */
  constructor(base?: string | URL, options?: ClientOptions);
  /** It was started, or `ProgressError` says why not. A network that fails is tried again. */
  start(kind: string, params?: unknown, options?: StartOptions): Promise<Operation>;
  /** Follow one operation, with what is kept of its past. */
  watch(id: string, options?: { readonly signal?: AbortSignal }): Operation;
  /** Follow all that match: those there are, newest first, and those to come. */
  watchAll(filter?: Filter, options?: { readonly signal?: AbortSignal }): Operations;
  /** What can be started. */
  kinds(): Promise<Kind[]>;
  readonly connection: Store<ConnectionStatus>;
  /** Stop following everything. */
  close(): void;
}

/** One operation. Iterating yields what comes from then on, and ends with the operation. */
export class Operation implements Store<Snapshot | null>, AsyncIterable<OperationMessage> {
  readonly id: string;
  /** Null until it is known. */
  readonly snapshot: Snapshot | null;
  /** 0 to 1 for showing: it never falls, and is 1 only once it has succeeded. Null: unknown. */
  readonly fraction: number | null;
  /** The newest log lines, 10,000 at most. It is never changed, only replaced. */
  readonly logs: readonly LogMessage[];
  readonly outputs: readonly OutputMessage[];
  /** How many log lines and outputs are missing, because they were no longer kept. */
  readonly missed: number;
  /** Why it cannot be followed, e.g. a `ProgressError` with status 404; else null. */
  readonly error: Error | null;
  readonly subscribe: (callback: (message?: OperationMessage) => void) => () => void;
  [Symbol.asyncIterator](): AsyncIterableIterator<OperationMessage>;
  /** Its result once it has succeeded; `OperationError` if it ends in another way. */
  result(): Promise<unknown>;
  cancel(): Promise<void>;
  /** Stop following it. */
  close(): void;
}

/** Operations that match a filter. */
export class Operations implements Store<readonly Snapshot[]>, AsyncIterable<OperationMessage> {
  /** Newest first. It is never changed, only replaced. */
  readonly snapshot: readonly Snapshot[];
  readonly get: (id: string) => Snapshot | undefined;
  /** As `Operation.fraction`. */
  readonly fraction: (id: string) => number | null;
  /** Whether the first page is there. */
  readonly loaded: boolean;
  /** Whether there are older ones that `more` would add. */
  readonly hasMore: boolean;
  readonly error: Error | null;
  readonly subscribe: (callback: (message?: OperationMessage) => void) => () => void;
  [Symbol.asyncIterator](): AsyncIterableIterator<OperationMessage>;
  /** Add the next older ones. */
  more(): Promise<void>;
  close(): void;
}

/** The server said no. `message` says what to do. */
export class ProgressError extends Error {
  readonly status: number;
  readonly problem: Problem;
  /** Seconds, from `Retry-After`. */
  readonly retryAfter: number | null;
}

/** An operation did not succeed. */
export class OperationError extends Error {
  readonly snapshot: Snapshot;
}

/** Whether nothing can come after this state. */
export function hasEnded(state: State): boolean;
/** The snapshot after one more event. */
export function fold(snapshot: Snapshot, event: ProgressMessage | StateMessage | LogMessage | OutputMessage): Snapshot;
