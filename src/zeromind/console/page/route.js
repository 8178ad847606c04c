// Which page is shown: the part of the address behind #, so that every page can be linked to. #/model/1/log is ["model", "1", "log"].

/** Where the reader is; a listener of "move" shows it. */
export class Route extends EventTarget {
  constructor() {
    super();
    addEventListener("hashchange", () => this.dispatchEvent(new Event("move")));
  }

  get parts() {
    const parts = location.hash.replace(/^#\/?/, "").split("/").map(decoded).filter(Boolean);
    return parts.length ? parts : ["models"];
  }
}

/** The link to a page. */
export function link(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
