// @ts-check
/** Outlines on a grid of 16, drawn in the colour of the text beside them. */

const CIRCLE = "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0";

/** @type {Record<string, string>} */
export const PATHS = {
  queued: `${CIRCLE}M8 4.5V8l2.3 1.4`,
  running: `M8 2a6 6 0 1 1-6 6M6.8 5.7v4.6L10.3 8z`,
  cancelling: `${CIRCLE}M6 6h4v4H6z`,
  succeeded: `${CIRCLE}M5.3 8.2 7.2 10l3.5-3.8`,
  failed: `${CIRCLE}M6 6l4 4M10 6l-4 4`,
  cancelled: `${CIRCLE}M3.8 12.2l8.4-8.4`,
  lost: `${CIRCLE}M6.3 6.4a1.8 1.8 0 1 1 2.6 1.6c-.6.3-.9.7-.9 1.2M8 11.3v.1`,
  pending: "M8 2a6 6 0 0 1 4.2 1.8M14 8a6 6 0 0 1-1.8 4.2M8 14a6 6 0 0 1-4.2-1.8M2 8a6 6 0 0 1 1.8-4.2",
  cancel: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
  link: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2A2.6 2.6 0 0 0 9 3.3l-.9.9" +
    "M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.3 9A2.6 2.6 0 0 0 7 12.7l.9-.9",
  download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M2.5 13.5h11",
  search: "M11 7a4 4 0 1 1-8 0 4 4 0 0 1 8 0M10 10l3.5 3.5",
  again: "M13.5 8a5.5 5.5 0 1 1-1.7-4L13.5 5.6M13.5 2.3v3.3h-3.3",
  back: "M9.5 3.5 5 8l4.5 4.5",
  start: "M8 3v10M3 8h10",
  follow: "M8 2.5v7M4.8 6.5 8 9.7l3.2-3.2M3 13h10",
  more: "M3.5 6 8 10.5 12.5 6",
  sort: "M5 12.5v-9M2.5 6 5 3.5 7.5 6M11 3.5v9M8.5 10l2.5 2.5 2.5-2.5",
};
