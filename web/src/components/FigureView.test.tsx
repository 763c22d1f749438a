import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { drawingName, FigureView } from "./FigureView";

const SVG = '<svg role="img" aria-label="Sections of tissue" xmlns="http://www.w3.org/2000/svg"></svg>';

beforeEach(() => {
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:drawing", revokeObjectURL: () => undefined }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("names the picture shortly, and is described once by its caption", async () => {
  render(<FigureView figure={{ svg: SVG, caption: "Two sections.", notes: [] }} name="tissue" />);
  expect((await screen.findByRole("img")).getAttribute("alt")).toBe("Sections of tissue");
  expect(screen.getByRole("figure", { name: "Two sections." })).toBeTruthy();
  expect(screen.getAllByText("Two sections.")).toHaveLength(1);
});

it("has a name also for a drawing that says none", () => {
  expect(drawingName("<svg xmlns='http://www.w3.org/2000/svg'></svg>")).toBe("A drawing");
});
