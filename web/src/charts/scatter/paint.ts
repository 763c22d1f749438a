/** Colours and shapes of points: by category, or by a number. */

/** Symbols in the order they are given out: a category has one of its own beside its colour. */
export const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "ring"] as const;
export type Shape = (typeof SHAPES)[number];

export type Rgb = [number, number, number];

export interface Paint {
  /** Four bytes a point. */
  colors: Uint8Array;
  /** Index into SHAPES, a byte a point. */
  shapes: Uint8Array;
  /** What is drawn first to last; null is the order given. */
  order: Uint32Array | null;
}

const LIGHT: Rgb[] = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [184, 168, 0], [77, 77, 77]]; // prettier-ignore
const DARK: Rgb[] = [[78, 163, 220], [236, 122, 44], [47, 195, 154], [221, 148, 189], [239, 176, 48], [143, 208, 245], [232, 222, 88], [181, 181, 181]]; // prettier-ignore
const RAMP_LIGHT: Rgb[] = [[192, 203, 213], [132, 186, 216], [0, 114, 178], [2, 40, 84]];
const RAMP_DARK: Rgb[] = [[74, 89, 103], [58, 122, 170], [104, 192, 238], [250, 232, 120]];
const UNSELECTED: { light: Rgb; dark: Rgb } = { light: [196, 204, 211], dark: [96, 112, 126] };
const WITHOUT: { light: Rgb; dark: Rgb } = { light: [158, 150, 144], dark: [134, 126, 120] };

/** Colour of a category: Okabe and Ito's eight, taken in turn; the shape changes once all are used. */
export function categoryColor(index: number, dark: boolean): Rgb {
  const palette = dark ? DARK : LIGHT;
  return palette[index % palette.length] as Rgb;
}

export function categoryShape(index: number): number {
  return ((index % LIGHT.length) + Math.floor(index / LIGHT.length)) % SHAPES.length;
}

export function rampColor(share: number, dark: boolean): Rgb {
  const stops = dark ? RAMP_DARK : RAMP_LIGHT;
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  const [a, b] = [stops[low] as Rgb, stops[low + 1] as Rgb];
  return a.map((value, channel) => Math.round(value + ((b[channel] as number) - value) * (at - low))) as Rgb;
}

/** Of points without a value: a grey that no ramp has. */
export function withoutColor(dark: boolean): Rgb {
  return WITHOUT[dark ? "dark" : "light"];
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

export function rampCss(dark: boolean): string {
  return `linear-gradient(90deg, ${(dark ? RAMP_DARK : RAMP_LIGHT).map(css).join(", ")})`;
}

/** The range that colours span: up to the 99th percentile of what is above the least, so that one point cannot fade the rest. */
export function colorRange(values: Float32Array): [number, number] {
  const finite = values.filter((value) => Number.isFinite(value)).sort();
  const low = finite[0] ?? 0;
  const above = finite.subarray(finite.findIndex((value) => value > low));
  if (finite.length === 0 || (finite.at(-1) ?? 0) <= low) return [low, low + 1];
  return [low, above[Math.floor((above.length - 1) * 0.99)] ?? low + 1];
}

/** Points that are set apart from the rest, one byte a point. */
export interface Apart {
  /** Drawn in full colour above the others, which fade; null where nothing is selected. */
  selected?: Uint8Array | null;
  /** Drawn below all others, as faint as a shadow. */
  behind?: Uint8Array | null;
}

const CROSS = SHAPES.indexOf("cross");
// Opacity, of 255.
const [FADED, FULL] = [170, 225];
const FAINT = 70;

/** 0 behind, 1 unselected, 2 drawn in full. */
function ranks(size: number, { selected, behind }: Apart): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (behind?.[i] ? 0 : selected && !selected[i] ? 1 : 2));
}

function paint(size: number, dark: boolean, rank: Uint8Array, colorOf: (index: number) => Rgb, shapeOf: (index: number) => number): Paint {
  const colors = new Uint8Array(4 * size);
  const shapes = new Uint8Array(size);
  const grey = UNSELECTED[dark ? "dark" : "light"];
  for (let i = 0; i < size; i += 1) {
    const [r, g, b] = rank[i] === 2 ? colorOf(i) : grey;
    colors[4 * i] = r;
    colors[4 * i + 1] = g;
    colors[4 * i + 2] = b;
    colors[4 * i + 3] = [FAINT, FADED, FULL][rank[i] as number] as number;
    shapes[i] = rank[i] === 0 ? 0 : shapeOf(i);
  }
  return { colors, shapes, order: null };
}

/** What stands behind comes first, and what is selected last, so that it lies on top. */
function byRank(order: Uint32Array | null, rank: Uint8Array, { selected, behind }: Apart): Uint32Array | null {
  if (!selected && !behind) return order;
  const all = order ?? Uint32Array.from(rank, (_, i) => i);
  const found = new Uint32Array(rank.length);
  let at = 0;
  for (const wanted of [0, 1, 2]) {
    for (const i of all) {
      if (rank[i] === wanted) {
        found[at] = i;
        at += 1;
      }
    }
  }
  return found;
}

export function paintCategories(codes: ArrayLike<number>, dark: boolean, apart: Apart = {}): Paint {
  const code = (i: number) => codes[i] as number;
  const rank = ranks(codes.length, apart);
  const made = paint(codes.length, dark, rank, (i) => categoryColor(code(i), dark), (i) => categoryShape(code(i)));
  return { ...made, order: byRank(null, rank, apart) };
}

/** Points without a value are grey crosses. */
export function paintValues(values: Float32Array, range: [number, number], dark: boolean, apart: Apart = {}): Paint {
  const width = range[1] - range[0] || 1;
  const known = (i: number) => Number.isFinite(values[i]);
  const share = (i: number) => ((values[i] as number) - range[0]) / width;
  const rank = ranks(values.length, apart);
  const made = paint(values.length, dark, rank, (i) => (known(i) ? rampColor(share(i), dark) : withoutColor(dark)), (i) => (known(i) ? 0 : CROSS));
  // The highest values come last: cells that express a gene lie above those that do not.
  const place = (i: number) => (known(i) ? (values[i] as number) : -Infinity);
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  return { ...made, order: byRank(order, rank, apart) };
}

/** A symbol as an SVG path around 0, 0, for legends. */
export function shapePath(shape: number, r = 5): string {
  switch (SHAPES[shape % SHAPES.length]) {
    case "square":
      return `M${-r * 0.85} ${-r * 0.85}H${r * 0.85}V${r * 0.85}H${-r * 0.85}Z`;
    case "triangle":
      return `M0 ${-r}L${r} ${r * 0.8}L${-r} ${r * 0.8}Z`;
    case "diamond":
      return `M0 ${-r}L${r} 0L0 ${r}L${-r} 0Z`;
    case "cross":
      return `M${-r} ${-r * 0.4}H${-r * 0.4}V${-r}H${r * 0.4}V${-r * 0.4}H${r}V${r * 0.4}H${r * 0.4}V${r}H${-r * 0.4}V${r * 0.4}H${-r}Z`;
    case "ring":
      return `M${-r} 0A${r} ${r} 0 1 0 ${r} 0A${r} ${r} 0 1 0 ${-r} 0M${-r * 0.5} 0A${r * 0.5} ${r * 0.5} 0 1 1 ${r * 0.5} 0A${r * 0.5} ${r * 0.5} 0 1 1 ${-r * 0.5} 0`;
    default:
      return `M${-r} 0A${r} ${r} 0 1 0 ${r} 0A${r} ${r} 0 1 0 ${-r} 0Z`;
  }
}
