// @ts-check
import { OperationProgressElement } from "./element.js";

customElements.get("operation-progress") ??
  customElements.define("operation-progress", OperationProgressElement);
