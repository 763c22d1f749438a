/** Which part of the plane is seen: a center and a zoom, in coordinates where all points lie between -1 and 1. */

export interface View {
  x: number;
  y: number;
  zoom: number;
}

export interface Size {
  width: number;
  height: number;
}

export const WHOLE: View = { x: 0, y: 0, zoom: 1 };
const [FARTHEST, NEAREST] = [0.5, 400];
const MARGIN = 0.94;

/** Pixels of one unit of the plane. Both axes have the same, so that distances look as they are. */
export function unit(view: View, size: Size): number {
  return (Math.min(size.width, size.height) / 2) * MARGIN * view.zoom;
}

export function toScreen(view: View, size: Size, x: number, y: number): [number, number] {
  const scale = unit(view, size);
  return [size.width / 2 + (x - view.x) * scale, size.height / 2 - (y - view.y) * scale];
}

export function toPlane(view: View, size: Size, px: number, py: number): [number, number] {
  const scale = unit(view, size);
  return [view.x + (px - size.width / 2) / scale, view.y - (py - size.height / 2) / scale];
}

/** Zoomed by a factor, with the place under the pointer kept where it is. */
export function zoomed(view: View, size: Size, px: number, py: number, factor: number): View {
  const zoom = Math.min(NEAREST, Math.max(FARTHEST, view.zoom * factor));
  const [x, y] = toPlane(view, size, px, py);
  const share = view.zoom / zoom;
  return { x: x - (x - view.x) * share, y: y - (y - view.y) * share, zoom };
}

export function moved(view: View, size: Size, dx: number, dy: number): View {
  const scale = unit(view, size);
  return { ...view, x: view.x - dx / scale, y: view.y + dy / scale };
}

/** The middle of all points, and half of the longer side of the box around them. */
export function extent(x: ArrayLike<number>, y: ArrayLike<number>): { cx: number; cy: number; half: number } {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < x.length; i += 1) {
    const [px, py] = [x[i] as number, y[i] as number];
    if (!Number.isFinite(px) || !Number.isFinite(py)) continue;
    if (px < left) left = px;
    if (px > right) right = px;
    if (py < low) low = py;
    if (py > high) high = py;
  }
  return { cx: (left + right) / 2, cy: (low + high) / 2, half: Math.max(right - left, high - low) / 2 || 1 };
}

/** The map that brings all points between -1 and 1, both axes by the same factor. */
export function planeMap(x: ArrayLike<number>, y: ArrayLike<number>): (x: number, y: number) => [number, number] {
  const { cx, cy, half } = extent(x, y);
  return (px, py) => [(px - cx) / half, (py - cy) / half];
}

/** A round length, 1, 2 or 5 times a power of ten: the longest whose bar takes at most a share of the width. */
export function barLength(pixelsPerUnit: number, width: number, share = 0.22): number {
  const most = (width * share) / pixelsPerUnit;
  const power = 10 ** Math.floor(Math.log10(most));
  return ([5, 2, 1].find((step) => step * power <= most) ?? 1) * power;
}

/** Points as pairs, as the map has them. Those without a finite place lie out of sight. */
export function onPlane(x: ArrayLike<number>, y: ArrayLike<number>): Float32Array {
  const map = planeMap(x, y);
  const plane = new Float32Array(2 * x.length);
  for (let i = 0; i < x.length; i += 1) {
    const [px, py] = map(x[i] as number, y[i] as number);
    const seen = Number.isFinite(px) && Number.isFinite(py);
    plane[2 * i] = seen ? px : 1e6;
    plane[2 * i + 1] = seen ? py : 1e6;
  }
  return plane;
}
