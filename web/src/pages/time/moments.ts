/** Cells that are followed: the points of all moments, one moment after the other, each in the same order of cells. */
import { taken } from "../../components/cloud/selection";
import type { Label } from "../../lib/arrow";

/** Rows of one moment. */
export function rowsAt(moment: number, cells: number): Uint32Array {
  return Uint32Array.from({ length: cells }, (_, cell) => moment * cells + cell);
}

/** A label as it is at one moment. */
export function labelAt(label: Label, moment: number, cells: number): Label {
  return { ...label, codes: taken(label.codes, rowsAt(moment, cells)) };
}

/** 1 for the points of all other moments. */
export function otherMoments(total: number, moment: number, cells: number): Uint8Array {
  return new Uint8Array(total).fill(1).fill(0, moment * cells, (moment + 1) * cells);
}

/** The cells among some points that are of one moment, as a mask of cells; null where there are none. */
export function cellsAmong(points: ArrayLike<number>, moment: number, cells: number): Uint8Array | null {
  const mask = new Uint8Array(cells);
  let any = false;
  for (let i = 0; i < points.length; i += 1) {
    const cell = (points[i] as number) - moment * cells;
    if (cell < 0 || cell >= cells) continue;
    mask[cell] = 1;
    any = true;
  }
  return any ? mask : null;
}

/** The same cells as a mask of all points, at every moment. */
export function always(followed: Uint8Array, total: number): Uint8Array {
  return Uint8Array.from({ length: total }, (_, row) => followed[row % followed.length] as number);
}

/** The ways of followed cells between two moments, as corners x, y, …; of so many at most, spread evenly. */
export function ways(x: ArrayLike<number>, y: ArrayLike<number>, followed: Uint8Array, from: number, to: number, most = 40): number[][] {
  if (from === to) return [];
  const chosen = Array.from(followed.keys()).filter((cell) => followed[cell]);
  const step = Math.max(1, chosen.length / most);
  const found: number[][] = [];
  for (let at = 0; at < chosen.length; at += step) {
    const cell = chosen[Math.floor(at)] as number;
    const way: number[] = [];
    for (let moment = Math.min(from, to); moment <= Math.max(from, to); moment += 1) {
      const row = moment * followed.length + cell;
      way.push(x[row] as number, y[row] as number);
    }
    found.push(way);
  }
  return found;
}

export interface Became {
  category: string;
  code: number;
  cells: number;
  /** Share of the mass of all that are followed. */
  share: number;
  /** How many cells they have become, for one at the start. */
  mass: number;
}

/** What some cells are at a moment: by category, weighted by how many cells each has become; the largest first. */
export function became(now: Label, mass: Float32Array, followed: Uint8Array): Became[] {
  const rows = now.categories.map((category, code) => ({ category, code, cells: 0, share: 0, mass: 0 }));
  let total = 0;
  now.codes.forEach((code, cell) => {
    const row = rows[code];
    if (!followed[cell] || !row) return;
    row.cells += 1;
    row.mass += mass[cell] as number;
    total += mass[cell] as number;
  });
  return rows
    .filter((row) => row.cells > 0)
    .map((row) => ({ ...row, share: total > 0 ? row.mass / total : 0 }))
    .sort((a, b) => b.share - a.share);
}

/** A point in time as people say it. */
export function spokenHours(hours: number): string {
  const rounded = Number(hours.toFixed(2));
  return rounded >= 48 && rounded % 24 === 0 ? `${rounded} h (day ${rounded / 24})` : `${rounded} h`;
}
