/** Sections of tissue among points: one of them, or all side by side at one scale. */
import { taken } from "../../components/cloud/selection";
import type { Label, Points } from "../../lib/arrow";

/** The label that tells sections apart; undefined where all cells lie in one plane. */
export function sectionLabel(points: Points): Label | undefined {
  const found = points.labels.find((label) => label.name === points.about.section);
  return found && found.categories.length > 1 ? found : undefined;
}

/** Rows of one category. */
export function rowsOf(label: Label, category: string): Uint32Array {
  const code = label.categories.indexOf(category);
  const found: number[] = [];
  label.codes.forEach((each, row) => each === code && found.push(row));
  return Uint32Array.from(found);
}

/** Some of the points, with labels that hold only what is among them. */
export function subset(points: Points, rows: Uint32Array): Points {
  return {
    ...points,
    x: taken(points.x, rows),
    y: taken(points.y, rows),
    labels: points.labels.map((label) => kept({ ...label, codes: taken(label.codes, rows) })),
    numbers: Object.fromEntries(Object.entries(points.numbers).map(([name, values]) => [name, taken(values, rows)])),
  };
}

/** Without categories that nothing is of. */
function kept(label: Label): Label {
  const there = new Uint8Array(label.categories.length);
  for (const code of label.codes) there[code] = 1;
  const code = new Int32Array(there.length);
  const categories = label.categories.filter((_, old) => there[old]);
  categories.forEach((category, now) => {
    code[label.categories.indexOf(category)] = now;
  });
  return { name: label.name, categories, codes: label.codes.map((old) => code[old] as number) };
}

interface Box {
  left: number;
  right: number;
  low: number;
  high: number;
}

function boxes({ x, y }: Points, label: Label): Box[] {
  const found = label.categories.map(() => ({ left: Infinity, right: -Infinity, low: Infinity, high: -Infinity }));
  for (let i = 0; i < x.length; i += 1) {
    const [px, py, box] = [x[i] as number, y[i] as number, found[label.codes[i] as number] as Box];
    if (!Number.isFinite(px) || !Number.isFinite(py)) continue;
    box.left = Math.min(box.left, px);
    box.right = Math.max(box.right, px);
    box.low = Math.min(box.low, py);
    box.high = Math.max(box.high, py);
  }
  return found;
}

/** All sections moved apart, row by row in the order of their names, without any being turned or stretched. */
export function sideBySide(points: Points, label: Label): { points: Points; names: { text: string; x: number; y: number }[] } {
  const own = boxes(points, label);
  const wide = Math.max(...own.map((box) => box.right - box.left)) * 1.08 || 1;
  const tall = Math.max(...own.map((box) => box.high - box.low)) * 1.16 || 1;
  const order = label.categories.map((category, code) => ({ category, code })).sort((a, b) => a.category.localeCompare(b.category, "en", { numeric: true }));
  const across = Math.max(1, Math.round(Math.sqrt((order.length * tall * 1.4) / wide)));
  const middle = new Array<{ x: number; y: number }>(order.length);
  order.forEach(({ code }, place) => {
    middle[code] = { x: (place % across) * wide, y: -Math.floor(place / across) * tall };
  });
  const [x, y] = [Float32Array.from(points.x), Float32Array.from(points.y)];
  for (let i = 0; i < x.length; i += 1) {
    const code = label.codes[i] as number;
    const box = own[code] as Box;
    const to = middle[code] as { x: number; y: number };
    x[i] = (x[i] as number) - (box.left + box.right) / 2 + to.x;
    y[i] = (y[i] as number) - (box.low + box.high) / 2 + to.y;
  }
  const names = order.map(({ category, code }) => {
    const [box, to] = [own[code] as Box, middle[code] as { x: number; y: number }];
    return { text: category, x: to.x, y: to.y + (box.high - box.low) / 2 + tall * 0.03 };
  });
  return { points: { ...points, x, y }, names };
}
