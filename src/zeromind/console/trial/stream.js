// Server-sent events, as they come (HTML Living Standard, section 9.2), from an answer to a POST, which EventSource cannot send.

import { parse } from "../pool/json.js";
import { faultIn, lost } from "../pool/request.js";

/** The JSON of each event of an answer. Throws a Fault that the stream ends with. */
export async function* events(response) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of chunks(response.body)) {
    rest += decoder.decode(bytes, { stream: true });
    const whole = rest.split("\n\n");
    rest = whole.pop();
    for (const event of whole) {
      const data = event
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5))
        .join("\n");
      if (!data.trim()) continue;
      const value = parse(data);
      const fault = faultIn(value);
      if (fault) throw fault;
      yield value;
    }
  }
}

/** Not every browser lets a stream be iterated over. */
async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } catch (error) {
    throw lost(error);
  } finally {
    reader.cancel().catch(() => {});
  }
}
