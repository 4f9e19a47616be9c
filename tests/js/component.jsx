// @ts-check
import { useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";

/** @param {{operation: import("progress-client").Operation}} props */
function Bar({ operation }) {
  const snapshot = useSyncExternalStore(operation.subscribe, () => operation.snapshot);
  if (!snapshot) return <p>Just a moment …</p>;
  return (
    <label>
      {snapshot.kind}: {snapshot.state}
      <progress value={operation.fraction ?? undefined} />
      <output>{snapshot.progress.message}</output>
    </label>
  );
}

/** @param {Element} element @param {import("progress-client").Operation} operation */
export const show = (element, operation) => createRoot(element).render(<Bar operation={operation} />);
