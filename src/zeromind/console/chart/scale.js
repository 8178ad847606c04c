// Where values lie along an axis.

/** The even step below 1, 2, 5, 10, … that divides `most` into at most `parts`, and the end of the last part. */
export function even(most, parts = 4) {
  if (!(most > 0)) return { step: 1, end: 1 };
  const rough = most / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9));
  return { step, end: Math.ceil(most / step - 1e-9) * step };
}

/** The marks from 0 to the end. */
export function marks({ step, end }) {
  return Array.from({ length: Math.round(end / step) + 1 }, (_, place) => place * step);
}
