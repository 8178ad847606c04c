// Counts of how long things took, by bucket: sums, differences and quantiles.

/** What was counted between two looks; trailing zeros are left out in both. */
export function difference(now, before = []) {
  return now.map((count, place) => Math.max(0, count - (before[place] ?? 0)));
}

/** Lists of counts, added up. */
export function sum(lists) {
  const total = [];
  for (const list of lists) for (let place = 0; place < list.length; place++) total[place] = (total[place] ?? 0) + list[place];
  return total;
}

/** The value that a share `q` of what was counted does not exceed, interpolated within its bucket; null where nothing was counted. */
export function quantile(counts, bounds, q) {
  const total = counts.reduce((all, count) => all + count, 0);
  if (total <= 0) return null;
  let rank = q * total;
  for (let place = 0; place < counts.length; place++) {
    if (counts[place] > 0 && rank <= counts[place]) {
      const low = place > 0 ? bounds[place - 1] : 0;
      const high = bounds[place] ?? low; // beyond the last bound there is nothing to interpolate to
      return low + (high - low) * (rank / counts[place]);
    }
    rank -= counts[place];
  }
  return bounds[bounds.length - 1];
}
