/** Round to `digits` decimals, a half to the even neighbour: as Python's `round`, which the server's messages went through. */
export function rounded(value, digits) {
  // A half can be told exactly: value * 10^digits has one only where value * 2^(digits + 1) is odd.
  const doubled = value * 2 ** (digits + 1);
  if (!Number.isInteger(doubled) || doubled % 2 === 0) return Number(value.toFixed(digits));
  const below = Math.floor(value * 10 ** digits);
  return (below % 2 === 0 ? below : below + 1) / 10 ** digits;
}
