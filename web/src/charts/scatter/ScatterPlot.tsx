/** Points one can move through, come near to and draw a line around; by pointer and by keyboard. */
import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";
import { Button } from "../../ui/Button";
import { count, figure } from "../../lib/format";
import { lassoed, nearest } from "./lasso";
import type { Paint } from "./paint";
import { makeRenderer, type Renderer } from "./renderer";
import "./scatter.css";
import { barLength, extent, moved, onPlane, planeMap, toPlane, toScreen, unit, WHOLE, zoomed, type Size, type View } from "./view";

export interface ScatterPlotProps {
  title: string;
  x: ArrayLike<number>;
  y: ArrayLike<number>;
  paint: Paint;
  /** Names that stand on the plot, in the coordinates of x and y. */
  names?: { text: string; x: number; y: number }[];
  /** Ways of points, as corners x, y, x, y, … in the same coordinates. */
  paths?: number[][];
  /** What is said of a point under the pointer. */
  describe?: (index: number) => ReactNode;
  onSelect?: (indices: Uint32Array) => void;
  height?: number;
  tools?: ReactNode;
  /** Unit of x and y where these are lengths, for a scale bar; empty where the data do not state it. */
  lengthUnit?: string;
}

type Mode = "move" | "lasso";

// Milliseconds: how long a frame may take while one moves, and the rest after which all points are drawn.
const [FRAME, REST] = [25, 180];
const COARSEST = 64;

/** Each how many-th point is drawn while one moves, after what drawing all of them took. */
export function coarseness(milliseconds: number): number {
  return Math.min(COARSEST, Math.max(1, Math.ceil(milliseconds / FRAME)));
}

/** Names that cover none before them; those left out appear as one comes nearer. */
export function apart<T extends { text: string; at: readonly [number, number] }>(names: T[]): T[] {
  const kept: T[] = [];
  const near = (a: T, b: T) => Math.abs(a.at[1] - b.at[1]) < 14 && Math.abs(a.at[0] - b.at[0]) < (a.text.length + b.text.length) * 3.6 + 4;
  for (const name of names) if (!kept.some((other) => near(name, other))) kept.push(name);
  return kept;
}

export function ScatterPlot({ title, x, y, paint, names = [], paths = [], describe, onSelect, height = 560, tools, lengthUnit }: ScatterPlotProps) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const renderer = useRef<Renderer | null>(null);
  const [kind, setKind] = useState<"webgl" | "canvas" | "none" | "">("");
  const [view, setView] = useState<View>(WHOLE);
  const [size, setSize] = useState<Size>({ width: 0, height });
  const [mode, setMode] = useState<Mode>("move");
  const [line, setLine] = useState<number[]>([]);
  const [over, setOver] = useState<{ index: number; px: number; py: number } | null>(null);
  const pace = useRef(1);
  const seen = useRef<View>(WHOLE);
  const drag = useRef<{ px: number; py: number; lasso: boolean } | null>(null);

  const plane = useMemo(() => onPlane(x, y), [x, y]);
  const placed = useMemo(() => {
    const map = planeMap(x, y);
    return names.map((name) => ({ text: name.text, place: map(name.x, name.y) }));
  }, [names, x, y]);

  const ways = useMemo(() => {
    const map = planeMap(x, y);
    return paths.map((path) => path.flatMap((value, i) => (i % 2 ? [] : map(value, path[i + 1] as number))));
  }, [paths, x, y]);
  const half = useMemo(() => extent(x, y).half, [x, y]);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    let made: Renderer | null = null;
    try {
      made = makeRenderer(element);
    } catch (error) {
      console.error(error);
    }
    renderer.current = made;
    setKind(made?.kind ?? "none");
    return () => {
      made?.free();
      renderer.current = null;
    };
  }, []);

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => renderer.current?.points(plane), [plane, kind]);
  useEffect(() => renderer.current?.paint(paint), [paint, kind]);
  useEffect(() => setView(WHOLE), [plane]);
  // All points once one rests; while one moves, as many as this machine draws without a wait.
  useEffect(() => {
    if (!size.width) return;
    const ratio = window.devicePixelRatio || 1;
    const step = seen.current === view ? 1 : pace.current;
    seen.current = view;
    function drawAll() {
      const began = performance.now();
      renderer.current?.draw(view, size, ratio);
      renderer.current?.finish();
      pace.current = coarseness(performance.now() - began);
    }
    const frame = requestAnimationFrame(() => (step > 1 ? renderer.current?.draw(view, size, ratio, step) : drawAll()));
    const rest = step > 1 ? setTimeout(drawAll, REST) : undefined;
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(rest);
    };
  }, [view, size, plane, paint, kind]);

  // React's wheel listener cannot keep the page from scrolling.
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const at = { width: box.width, height: box.height };
      setView((view) => zoomed(view, at, event.clientX - box.left, event.clientY - box.top, Math.exp(-event.deltaY * 0.0015)));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, []);

  const pointer = useCallback((event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top] as const;
  }, []);

  function onPointerDown(event: PointerEvent<HTMLDivElement>) {
    if (event.button !== 0) return;
    const [px, py] = pointer(event);
    event.currentTarget.setPointerCapture(event.pointerId);
    const lasso = onSelect !== undefined && (mode === "lasso" || event.shiftKey);
    drag.current = { px, py, lasso };
    if (lasso) setLine([...toPlane(view, size, px, py)]);
    setOver(null);
  }

  function onPointerMove(event: PointerEvent<HTMLDivElement>) {
    const [px, py] = pointer(event);
    const held = drag.current;
    if (!held) {
      const [ax, ay] = toPlane(view, size, px, py);
      const index = describe ? nearest(plane, ax, ay, 9 / unit(view, size)) : -1;
      setOver(index < 0 ? null : { index, px, py });
    } else if (held.lasso) {
      const at = toPlane(view, size, px, py);
      setLine((line) => [...line, ...at]);
    } else {
      setView((view) => moved(view, size, px - held.px, py - held.py));
      drag.current = { ...held, px, py };
    }
  }

  function onPointerUp() {
    const held = drag.current;
    drag.current = null;
    if (!held?.lasso) return;
    onSelect?.(lassoed(plane, line));
    setLine([]);
  }

  function zoomBy(factor: number) {
    setView((view) => zoomed(view, size, size.width / 2, size.height / 2, factor));
  }

  function onKeyDown(event: KeyboardEvent) {
    const steps: Record<string, [number, number]> = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const step = steps[event.key];
    if (step) setView((view) => moved(view, size, ...step));
    else if (event.key === "+" || event.key === "=") zoomBy(1.4);
    else if (event.key === "-") zoomBy(1 / 1.4);
    else if (event.key === "0") setView(WHOLE);
    else return;
    event.preventDefault();
  }

  function onScreen(plane: number[]): string {
    const corners = [];
    for (let i = 0; i < plane.length; i += 2) corners.push(toScreen(view, size, plane[i] as number, plane[i + 1] as number).join(","));
    return corners.join(" ");
  }
  const total = plane.length / 2;
  const perUnit = unit(view, size) / half;
  const bar = lengthUnit !== undefined && size.width > 0 && total > 1 ? barLength(perUnit, size.width) : 0;

  return (
    <div className="scatter">
      <div className="scatter-tools no-print">
        {onSelect && (
          <span className="row" role="group" aria-label="What dragging does">
            <Button compact aria-pressed={mode === "move"} className={mode === "move" ? "pressed" : ""} onClick={() => setMode("move")}>
              Move
            </Button>
            <Button compact aria-pressed={mode === "lasso"} className={mode === "lasso" ? "pressed" : ""} onClick={() => setMode("lasso")}>
              Lasso
            </Button>
          </span>
        )}
        <span className="row" role="group" aria-label="Zoom">
          <Button compact aria-label="Zoom in" onClick={() => zoomBy(1.5)}>
            +
          </Button>
          <Button compact aria-label="Zoom out" onClick={() => zoomBy(1 / 1.5)}>
            −
          </Button>
          <Button compact onClick={() => setView(WHOLE)}>
            Whole
          </Button>
        </span>
        {tools}
      </div>
      <div
        ref={frame}
        className={`scatter-frame ${mode}`}
        style={{ height }}
        role="application"
        aria-roledescription="scatter plot"
        aria-label={`${title}, ${count(total)} points. Arrow keys move, plus and minus zoom, 0 shows all. The legend selects by label.`}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerLeave={() => setOver(null)}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <svg className="scatter-over" aria-hidden="true">
          {ways.map((way, i) => (
            <polyline key={i} className="scatter-way" points={onScreen(way)} />
          ))}
          {line.length > 3 && <polygon className="scatter-lasso" points={onScreen(line)} />}
          {apart(placed.map((name) => ({ text: name.text, at: toScreen(view, size, ...name.place) }))).map(({ text, at }) => (
            <text key={text} className="scatter-name" x={at[0]} y={at[1]} textAnchor="middle">
              {text}
            </text>
          ))}
          {bar > 0 && (
            <g transform={`translate(16 ${size.height - 16})`}>
              <line className="scatter-bar" x2={bar * perUnit} />
              <text className="scatter-name" y={-7}>
                {`${figure(bar)} ${lengthUnit || "units of the file"}`}
              </text>
            </g>
          )}
        </svg>
        {over && describe && (
          <div className="scatter-tip" style={{ left: Math.min(over.px + 14, size.width - 190), top: Math.max(4, over.py - 12) }}>
            {describe(over.index)}
          </div>
        )}
        {kind === "none" && <p className="scatter-none">This browser can draw no points. The counts beside this say the same in numbers.</p>}
      </div>
      {kind === "canvas" && (
        <p className="small quiet" role="status">
          WebGL is missing, so the points are drawn without the graphics card
          {total > (renderer.current?.drawn ?? total) ? `, ${count(renderer.current?.drawn ?? 0)} of ${count(total)} of them` : ""}. Selections count all
          of them.
        </p>
      )}
    </div>
  );
}
