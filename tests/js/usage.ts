/**
 * The types of the SDK as its users meet them. `tsc` reads this, and nobody runs it: what is used
 * rightly has to compile, and what stands after `@ts-expect-error` may not.
 */

import {
  Operation,
  OperationError,
  ProgressClient,
  ProgressError,
  fold,
  hasEnded,
  type ConnectionStatus,
  type LogMessage,
  type Message,
  type OperationMessage,
  type Problem,
  type Snapshot,
  type State,
  type Store,
} from "progress-client";
import { useSyncExternalStore } from "react";

/** Compiles if both are the same type, which assignability does not tell. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

export async function startAndFollow(signal: AbortSignal): Promise<unknown> {
  const client = new ProgressClient("/", { token: async () => localStorage.getItem("token") });
  const operation = await client.start("copy", { source: "a", destination: "b" }, { signal });
  same<typeof operation, Operation>(true);
  for await (const event of operation) {
    same<typeof event, OperationMessage>(true);
    same<typeof event.type, "snapshot" | "progress" | "state" | "log" | "output" | "gap">(true);
  }
  await operation.cancel();
  return operation.result();
}

export function narrowed(message: Message): string {
  switch (message.type) {
    case "snapshot":
      return message.snapshot.kind;
    case "progress":
      return message.step?.label ?? message.progress.message ?? "";
    case "state":
      return message.error?.detail ?? message.state;
    case "log":
      return `${message.level} ${message.message}`;
    case "output":
      same<typeof message.data, unknown>(true);
      return message.operation;
    case "gap":
      return `${message.missed?.log}`;
    case "ping":
      return message.cursor;
    case "bye":
      return message.reason;
    default:
      same<typeof message, never>(true);
      return message;
  }
}

export function watched(client: ProgressClient): () => void {
  const operation = client.watch("01900000-0000-7000-8000-000000000000");
  same<typeof operation.snapshot, Snapshot | null>(true);
  same<typeof operation.fraction, number | null>(true);
  same<typeof operation.logs, readonly LogMessage[]>(true);
  // @ts-expect-error: a snapshot is never changed
  if (operation.snapshot) operation.snapshot.state = "failed";
  // @ts-expect-error: nor is what holds it
  operation.snapshot = null;
  // @ts-expect-error: it may not be known yet
  operation.snapshot.state;

  const copies = client.watchAll({ kind: "copy", label: ["owner:ada", "team:red"], state: "running" });
  same<typeof copies.snapshot, readonly Snapshot[]>(true);
  // @ts-expect-error: no such state
  client.watchAll({ state: "done" });
  // @ts-expect-error: no such transport
  new ProgressClient("/", { transports: ["carrier pigeon"] });

  const status: ConnectionStatus = client.connection.snapshot;
  const undo = [operation.subscribe(() => {}), copies.subscribe((message) => narrowedIf(message))];
  return () => undo.forEach((one) => (one(), status.error?.message));
}

function narrowedIf(message: OperationMessage | undefined): void {
  if (message) narrowed(message);
}

/** As they are, `subscribe` and `snapshot` fit React. */
export function useStore<Value>(store: Store<Value>): Value {
  return useSyncExternalStore(store.subscribe, () => store.snapshot);
}

export function useAll(client: ProgressClient): readonly [State | undefined, number, ConnectionStatus] {
  const one = useStore<Snapshot | null>(client.watch("a"));
  const all = useStore(client.watchAll());
  return [one?.state, all.length, useStore(client.connection)];
}

export function explained(error: unknown): string {
  if (error instanceof ProgressError) {
    same<typeof error.problem, Problem>(true);
    return `${error.status} ${error.problem.errors?.[0]?.pointer} ${error.retryAfter}`;
  }
  return error instanceof OperationError ? error.snapshot.state : String(error);
}

export function folded(snapshot: Snapshot, messages: readonly OperationMessage[]): Snapshot {
  for (const message of messages) {
    if (message.type === "snapshot") snapshot = message.snapshot;
    else if (message.type !== "gap") snapshot = fold(snapshot, message);
  }
  return hasEnded(snapshot.state) ? snapshot : { ...snapshot, state: "lost" };
}
