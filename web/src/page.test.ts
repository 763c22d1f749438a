import { expect, it } from "vitest";
import html from "../index.html?raw";
import lock from "../package-lock.json?raw";

const SOURCES = import.meta.glob(["./**/*.{ts,tsx,css}", "!./**/*.test.*", "!./api/schema.ts"], { query: "?raw", import: "default", eager: true }) as Record<string, string>;

it("has no script or style inside of its HTML, which the service refuses", () => {
  expect(html.match(/<script(?![^>]*\bsrc=)/g)).toBeNull();
  expect(html.match(/<style|\sstyle=|\son\w+=/g)).toBeNull();
});

it("loads nothing from elsewhere", () => {
  expect(html.match(/(?:src|href)="(?:https?:)?\/\//g)).toBeNull();
  const foreign = Object.entries(SOURCES).filter(([, text]) => /(?:url\(|fetch\(|import\(|src=)["'`]?(?:https?:)?\/\//.test(text));
  expect(foreign.map(([path]) => path)).toEqual([]);
});

it("makes no code from text", () => {
  const made = Object.entries(SOURCES).filter(([, text]) => /\beval\(|new Function\(|dangerouslySetInnerHTML/.test(text));
  expect(made.map(([path]) => path)).toEqual([]);
});

it("is locked without addresses of a registry", () => {
  expect(lock).not.toContain('"resolved"');
});
