/** Which points lie inside a line drawn around them. */

/** Whether a place is inside a closed line of corners x, y, x, y, … (even-odd rule). */
export function inside(corners: ArrayLike<number>, x: number, y: number): boolean {
  let found = false;
  const size = corners.length / 2;
  for (let i = 0, j = size - 1; i < size; j = i, i += 1) {
    const [xi, yi] = [corners[2 * i] as number, corners[2 * i + 1] as number];
    const [xj, yj] = [corners[2 * j] as number, corners[2 * j + 1] as number];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) found = !found;
  }
  return found;
}

/** Indices of points inside; the box around the line leaves most points out before its corners are walked. */
export function lassoed(plane: Float32Array, corners: number[]): Uint32Array {
  if (corners.length < 6) return new Uint32Array(0);
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < corners.length; i += 2) {
    left = Math.min(left, corners[i] as number);
    right = Math.max(right, corners[i] as number);
    low = Math.min(low, corners[i + 1] as number);
    high = Math.max(high, corners[i + 1] as number);
  }
  const found: number[] = [];
  for (let i = 0; i < plane.length / 2; i += 1) {
    const [x, y] = [plane[2 * i] as number, plane[2 * i + 1] as number];
    if (x < left || x > right || y < low || y > high) continue;
    if (inside(corners, x, y)) found.push(i);
  }
  return Uint32Array.from(found);
}

/** The point nearest to a place, within a reach; -1 where there is none. */
export function nearest(plane: Float32Array, x: number, y: number, reach: number): number {
  let best = reach * reach;
  let found = -1;
  for (let i = 0; i < plane.length; i += 2) {
    const [dx, dy] = [(plane[i] as number) - x, (plane[i + 1] as number) - y];
    const far = dx * dx + dy * dy;
    if (far < best) {
      best = far;
      found = i / 2;
    }
  }
  return found;
}
