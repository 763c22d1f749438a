/** What a selection holds, in numbers. */
import type { Label } from "../../lib/arrow";

export interface CategoryCount {
  category: string;
  code: number;
  selected: number;
  all: number;
}

/** Points of each category, selected and in all, the largest first. */
export function counts(label: Label, selected: Uint8Array | null): CategoryCount[] {
  const all = new Float64Array(label.categories.length);
  const chosen = new Float64Array(label.categories.length);
  for (let i = 0; i < label.codes.length; i += 1) {
    const code = label.codes[i] as number;
    all[code] = (all[code] as number) + 1;
    if (selected?.[i]) chosen[code] = (chosen[code] as number) + 1;
  }
  return label.categories
    .map((category, code) => ({ category, code, selected: chosen[code] as number, all: all[code] as number }))
    .sort((a, b) => b.all - a.all || a.category.localeCompare(b.category));
}

/** Codes renamed so that the largest category is 0: it gets the first colour and symbol, and so on. */
export function ranked(label: Label): Label {
  const order = counts(label, null).map((each) => each.code);
  const rank = new Int32Array(order.length);
  order.forEach((code, place) => {
    rank[code] = place;
  });
  return { name: label.name, categories: order.map((code) => label.categories[code] as string), codes: label.codes.map((code) => rank[code] as number) };
}

/** Some of the values, in the order of their places. */
export function taken<T extends Float32Array | Int32Array>(values: T, places: ArrayLike<number>): T {
  const found = new (values.constructor as { new (size: number): T })(places.length);
  for (let i = 0; i < places.length; i += 1) found[i] = values[places[i] as number] as number;
  return found;
}

export function maskOf(indices: ArrayLike<number>, size: number): Uint8Array | null {
  if (indices.length === 0) return null;
  const mask = new Uint8Array(size);
  for (let i = 0; i < indices.length; i += 1) mask[indices[i] as number] = 1;
  return mask;
}

/** All points of one category. */
export function maskOfCategory(label: Label, code: number): Uint8Array {
  return Uint8Array.from(label.codes, (each) => (each === code ? 1 : 0));
}

export function chosenIn(mask: Uint8Array | null): number {
  let found = 0;
  if (mask) for (const each of mask) found += each;
  return found;
}

/** The category of a label that most of a selection has, with its share. */
export function mainCategory(label: Label, mask: Uint8Array): { category: string; share: number } | null {
  const [first] = counts(label, mask).sort((a, b) => b.selected - a.selected);
  const total = chosenIn(mask);
  return first && total ? { category: first.category, share: first.selected / total } : null;
}

/** Where the name of each category stands: the middle of its points, by medians, so that outliers do not pull it. */
export function places(label: Label, x: Float32Array, y: Float32Array, most = 24): { text: string; x: number; y: number }[] {
  const members = label.categories.slice(0, most).map(() => [[], []] as [number[], number[]]);
  // Every point where there are few, else some of them: a median does not need all.
  const step = Math.max(1, Math.floor(label.codes.length / 50_000));
  for (let i = 0; i < label.codes.length; i += step) {
    const member = members[label.codes[i] as number];
    member?.[0].push(x[i] as number);
    member?.[1].push(y[i] as number);
  }
  const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
  return members.map(([xs, ys], code) => ({ text: label.categories[code] as string, x: middle(xs), y: middle(ys) })).filter((place) => Number.isFinite(place.x));
}
