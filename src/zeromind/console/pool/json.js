// JSON whose whole numbers keep all of their digits: those beyond 2^53 are BigInts, where the browser tells how they were written.

/** A whole number too long to be sure of; digits behind a point are none. */
const LONG = /(?<![\d.])\d{16}/;
const WHOLE = /^-?\d+$/;

/** The value of a text. Throws a SyntaxError. */
export function parse(text) {
  if (!LONG.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) => {
    const isRounded = typeof value === "number" && !Number.isSafeInteger(value) && WHOLE.test(context?.source);
    return isRounded ? BigInt(context.source) : value;
  });
}

/** The text of such a value. */
export function stringify(value, indent) {
  return JSON.stringify(value, (_, one) => (typeof one === "bigint" ? JSON.rawJSON(String(one)) : one), indent);
}
