// @ts-check
/** Server-Sent Events as text (WHATWG HTML §9.2). */

/** Splits a stream of text into events. */
export class Parser {
  /** @param {(type: string, data: string) => void} emit */
  constructor(emit) {
    this.emit = emit;
    this.rest = "";
    this.type = "message";
    /** @type {string[]} */
    this.data = [];
  }

  clear() {
    this.type = "message";
    this.data = [];
  }

  /** @param {string} chunk */
  feed(chunk) {
    const lines = (this.rest + chunk).split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  /** @param {string} line */
  #line(line) {
    if (line === "") {
      if (this.data.length) this.emit(this.type, this.data.join("\n"));
      this.clear();
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.type = value;
    else if (field === "data") this.data.push(value);
  }
}
