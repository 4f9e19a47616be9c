// @ts-check
/** What the server's bytes say: WHATWG HTML §9.2.6. */

const NEWLINE = /\r\n?|\n/g;

export class Parser {
  /** @type {number | null} Milliseconds. */
  retry = null;
  lastEventId = "";
  #decoder = new TextDecoder(); // drops one leading BOM, as the standard says
  #rest = "";
  #afterReturn = false;
  /** @type {string[]} */
  #data = [];
  #type = "";
  #id;

  /** A connection that resumes goes on with the id it resumes from. */
  constructor(lastEventId = "") {
    this.#id = this.lastEventId = lastEventId;
  }

  /**
   * Take bytes, cut anywhere; return the events that are complete by then.
   * @param {Uint8Array} bytes
   */
  push(bytes) {
    /** @type {{type: string, data: string, id: string}[]} */
    const events = [];
    let more = this.#decoder.decode(bytes, { stream: true });
    if (this.#afterReturn && more) {
      this.#afterReturn = false;
      if (more[0] === "\n") more = more.slice(1);
    }
    const text = this.#rest + more;
    let start = 0;
    NEWLINE.lastIndex = this.#rest.length;
    for (let end; (end = NEWLINE.exec(text)); start = NEWLINE.lastIndex) {
      const event = this.#line(text.slice(start, end.index));
      if (event) events.push(event);
      this.#afterReturn = end[0] === "\r" && NEWLINE.lastIndex === text.length;
    }
    this.#rest = text.slice(start);
    return events;
  }

  /** @param {string} line */
  #line(line) {
    if (!line) return this.#dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }

  #dispatch() {
    const [type, data] = [this.#type || "message", this.#data];
    this.lastEventId = this.#id;
    this.#type = "";
    this.#data = [];
    if (data.length) return { type, data: data.join("\n"), id: this.#id };
  }
}
