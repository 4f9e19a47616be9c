import type { Operation, ProgressClient } from "./client/index.js";

/**
 * `<operation-progress src="/operations/…" label="…">what is shown until there is something</operation-progress>`
 *
 * The part of `src` before `operations/` is where the server is; all elements of one server share a client.
 * The content is shown until the operation is known, and if it cannot be followed. `label` is shown in place
 * of the kind (or what work that runs elsewhere calls itself), `aria-label` is told in its place. Setting `src`
 * follows from the start, also if it is the same.
 *
 * Events, each a `ProgressEvent` that does not bubble: `loadstart`; `progress`, at most once a frame; `load`
 * when it has succeeded, `abort` when it was cancelled, and otherwise `error`, also if it cannot be followed
 * (`operation.error` says why, or there is no `operation`, because `src` names none); then `loadend`. None
 * comes any more of what is left for another `src`, or by leaving the document. `total` is 0 and
 * `lengthComputable` false where the operation has no total of its own, e.g. where only its steps have one.
 *
 * Parts: `base`, in it `head` with `label` and `value`, `track` with `bar`, `foot` with `message` and `eta`;
 * and `voice`, which is not to be seen. Custom properties: `--progress-color`, `--progress-track-color`,
 * `--progress-height`, `--progress-radius`. States, as in `operation-progress:state(failed)::part(bar)`: those
 * of operations, and `indeterminate`.
 */
export class OperationProgressElement extends HTMLElement {
  /** A client of your own, for whatever `src` is set from then on. */
  client: ProgressClient | null;
  /** The operation that is followed. One that is set is followed whatever `src` says; null: `src` again. */
  get operation(): Operation | null;
  set operation(operation: Operation | null);
  /** What the bar shows, from 0 to 1; null if it is not known. */
  readonly value: number | null;
}

declare global {
  interface HTMLElementTagNameMap {
    "operation-progress": OperationProgressElement;
  }
}
