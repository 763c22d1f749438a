/** The places one can go, and which of them a cell must be able to serve. */
import type { CellDetail } from "../api/types";

export interface Place {
  path: string;
  label: string;
  /** Speaks of the chosen cell, so its address names it. */
  ofCell: boolean;
  needs?: keyof CellDetail["capabilities"];
}

export const NAVIGATION: { title: string; places: Place[] }[] = [
  {
    title: "Cell",
    places: [
      { path: "cells", label: "Cells", ofCell: true },
      { path: "explore", label: "Explore", ofCell: true },
      { path: "predict", label: "Predict", ofCell: true },
      { path: "tissue", label: "Tissue", ofCell: true, needs: "tissue" },
      { path: "time", label: "Time", ofCell: true, needs: "time" },
      { path: "images", label: "Images", ofCell: true, needs: "images" },
    ],
  },
  {
    title: "Experiment",
    places: [
      { path: "screen", label: "Screen", ofCell: true },
      { path: "plate", label: "Plate", ofCell: true },
      { path: "jobs", label: "Jobs", ofCell: false },
    ],
  },
  {
    title: "Share",
    places: [
      { path: "hub", label: "Hub", ofCell: false },
      { path: "leaderboard", label: "Leaderboard", ofCell: false },
      { path: "settings", label: "Settings", ofCell: false },
    ],
  },
];

/** Whether a place is shown: those with a need only where the cell meets it. */
export function visible(place: Place, capabilities: CellDetail["capabilities"] | undefined): boolean {
  return !place.needs || Boolean(capabilities?.[place.needs]);
}
