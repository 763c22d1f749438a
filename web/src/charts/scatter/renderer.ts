/**
 * Draws points: on the graphics card with WebGL 2, else with the canvas of every browser.
 *
 * Written here because the page may run no code made from text (its content security policy), which libraries for
 * WebGL such as regl do. One program and one call draw all points.
 */
import type { Paint } from "./paint";
import { toScreen, unit, type Size, type View } from "./view";

export interface Renderer {
  readonly kind: "webgl" | "canvas";
  /** Points that are drawn; fewer than given where the canvas would be too slow. */
  readonly drawn: number;
  points(plane: Float32Array): void;
  paint(paint: Paint): void;
  /** Draws every point, or each `step`-th while one moves and the machine is slow. */
  draw(view: View, size: Size, pixelRatio: number, step?: number): void;
  /** Waits until what was drawn is drawn, so that its time can be taken. */
  finish(): void;
  free(): void;
}

const VERTEX = `#version 300 es
in vec2 place;
in vec4 color;
in float shape;
uniform vec2 center;
uniform vec2 scale;
uniform float size;
out vec4 tint;
flat out int form;
void main() {
  gl_Position = vec4((place - center) * scale, 0.0, 1.0);
  gl_PointSize = size;
  tint = color;
  form = int(shape + 0.5);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
in vec4 tint;
flat in int form;
uniform float size;
out vec4 pixel;
float away(vec2 p) {
  float r = length(p);
  if (form == 1) return max(abs(p.x), abs(p.y)) * 1.12;
  if (form == 2) return max(p.y * 1.2, abs(p.x) * 1.1 - p.y * 0.6);
  if (form == 3) return abs(p.x) + abs(p.y);
  if (form == 4) return max(max(abs(p.x), abs(p.y)), min(abs(p.x), abs(p.y)) * 2.5);
  if (form == 5) return max(r, 1.45 - r);
  return r;
}
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float edge = 2.0 / size;
  // Too small for a shape: a dot.
  float far = size < 5.0 ? length(p) : away(p);
  float cover = size < 3.5 ? 1.0 : 1.0 - smoothstep(1.0 - edge, 1.0, far);
  if (cover <= 0.0) discard;
  pixel = vec4(tint.rgb, tint.a * cover);
}`;

/** Diameter in CSS pixels: smaller where there are many, larger as one comes near. */
export function pointSize(count: number, zoom: number): number {
  const base = Math.min(9, Math.max(1.8, 420 / Math.sqrt(Math.max(1, count))));
  return Math.min(16, base * Math.max(1, zoom) ** 0.45);
}

function shader(gl: WebGL2RenderingContext, kind: number, text: string): WebGLShader {
  const made = gl.createShader(kind);
  if (!made) throw new Error("WebGL made no shader.");
  gl.shaderSource(made, text);
  gl.compileShader(made);
  if (!gl.getShaderParameter(made, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(made) ?? "The shader does not compile.");
  return made;
}

function linked(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl, gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, shader(gl, gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "The shaders do not link.");
  return program;
}

function webgl(canvas: HTMLCanvasElement): Renderer | null {
  const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true, preserveDrawingBuffer: true });
  if (!gl) return null;
  const program = linked(gl);
  const buffers = { place: gl.createBuffer(), color: gl.createBuffer(), shape: gl.createBuffer(), order: gl.createBuffer() };
  const where = { center: gl.getUniformLocation(program, "center"), scale: gl.getUniformLocation(program, "scale"), size: gl.getUniformLocation(program, "size") };
  let [count, ordered] = [0, false];
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  // What is blended onto nothing is multiplied by its opacity: the page must take it so, or points are darker than their legend.
  gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

  const widths = { place: 8, color: 4, shape: 1 } as const;
  type Name = keyof typeof widths;

  function fill(name: Name, data: Float32Array | Uint8Array) {
    if (!gl) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
  }

  /** A longer stride leaves points out, without a second buffer. */
  function read(name: Name, step: number) {
    if (!gl) return;
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.enableVertexAttribArray(at);
    if (name === "place") gl.vertexAttribPointer(at, 2, gl.FLOAT, false, widths.place * step, 0);
    else if (name === "color") gl.vertexAttribPointer(at, 4, gl.UNSIGNED_BYTE, true, widths.color * step, 0);
    else gl.vertexAttribPointer(at, 1, gl.UNSIGNED_BYTE, false, step, 0);
  }

  return {
    kind: "webgl",
    get drawn() {
      return count;
    },
    points(plane) {
      count = plane.length / 2;
      fill("place", plane);
    },
    paint({ colors, shapes, order }) {
      fill("color", colors);
      fill("shape", shapes);
      ordered = order !== null;
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.order);
      if (order) gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.STATIC_DRAW);
    },
    draw(view, size, ratio, step = 1) {
      const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      gl.viewport(0, 0, width, height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      if (count === 0) return;
      const scale = unit(view, size);
      gl.uniform2f(where.center, view.x, view.y);
      gl.uniform2f(where.scale, (2 * scale) / size.width, (2 * scale) / size.height);
      gl.uniform1f(where.size, pointSize(count, view.zoom) * ratio);
      for (const name of ["place", "color", "shape"] as const) read(name, step);
      if (ordered && step === 1) gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 0);
      else gl.drawArrays(gl.POINTS, 0, Math.floor((count - 1) / step) + 1);
    },
    finish() {
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    },
    free() {
      for (const buffer of Object.values(buffers)) gl.deleteBuffer(buffer);
      gl.deleteProgram(program);
    },
  };
}

// What a canvas draws within a frame or two.
const CANVAS_MOST = 40_000;

function canvas2d(canvas: HTMLCanvasElement): Renderer | null {
  const context = canvas.getContext("2d");
  if (!context) return null;
  let plane = new Float32Array(0);
  let colors = new Uint8Array(0);
  let order: Uint32Array | null = null;
  return {
    kind: "canvas",
    get drawn() {
      return Math.min(CANVAS_MOST, plane.length / 2);
    },
    points(given) {
      plane = new Float32Array(given);
    },
    paint(paint) {
      colors = new Uint8Array(paint.colors);
      order = paint.order;
    },
    draw(view, size, ratio, coarser = 1) {
      const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, size.width, size.height);
      const count = plane.length / 2;
      const step = Math.max(1, count / CANVAS_MOST) * coarser;
      const dot = pointSize(Math.min(count, CANVAS_MOST), view.zoom);
      for (let at = 0; at < count; at += step) {
        const i = order ? (order[Math.floor(at)] as number) : Math.floor(at);
        const [px, py] = toScreen(view, size, plane[2 * i] as number, plane[2 * i + 1] as number);
        if (px < -dot || py < -dot || px > size.width + dot || py > size.height + dot) continue;
        context.fillStyle = `rgb(${colors[4 * i]} ${colors[4 * i + 1]} ${colors[4 * i + 2]} / ${(colors[4 * i + 3] as number) / 255})`;
        context.fillRect(px - dot / 2, py - dot / 2, dot, dot);
      }
    },
    finish() {
      // A canvas draws before it returns.
    },
    free() {
      plane = new Float32Array(0);
    },
  };
}

/** The best that this browser has; null where it can draw nothing. */
export function makeRenderer(canvas: HTMLCanvasElement): Renderer | null {
  return webgl(canvas) ?? canvas2d(canvas);
}
