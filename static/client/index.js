// @ts-check
/** The client of a progress server. index.d.ts describes it. */

export { ProgressClient } from "./client.js";
export { fold, hasEnded } from "./fold.js";
export { ProgressError } from "./http.js";
export { Operation, OperationError } from "./operation.js";
export { Operations } from "./operations.js";
