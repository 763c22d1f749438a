/** What the service sends and takes: the shapes that pages use, written by hand after the contract of the API. */

export interface Session {
  user: string;
  role: "reader" | "writer" | "admin";
  loopback: boolean;
  version: string;
  upload_limit_bytes: number;
  page_features: Record<string, boolean>;
}

export interface CellSummary {
  id: string;
  name: string;
  title: string;
  source: "demo" | "fit" | "hub" | "folder";
  owner: string;
  visibility: string;
  contexts: string[];
  perturbations: number;
  features: number;
  units: string;
  kinds: string[];
  scored: boolean;
  created: number | string;
}

export interface Score {
  value: number | null;
  low: number | null;
  high: number | null;
  better: string;
}

export interface CellScores {
  split: string;
  labels?: Record<string, string>;
  methods: { name: string; metrics: Record<string, Score> }[];
  sentence: string;
}

export interface CellDetail extends CellSummary {
  card: Record<string, unknown>;
  encoders: string[];
  instruments: string[];
  capabilities: { cells: boolean; tissue: boolean; time: boolean; images: boolean };
  doses: { used: boolean; units: string; values: number[] };
  hours: { used: boolean; values: number[] };
  scores: CellScores | null;
  dataset: string | null;
}

export interface Name {
  text: string;
  name: string;
  kind: string;
  measured: boolean;
}

export interface Question {
  context: string;
  perturbation: string;
  new_context?: boolean;
  allow_unknown?: boolean;
  top?: number;
  level?: number;
  why?: boolean;
  sets?: string;
}

export interface GeneAnswer {
  feature: string;
  control: number;
  predicted: number;
  effect: number;
  low: number | null;
  high: number | null;
  clear: boolean;
}

export interface Pathway {
  name: string;
  score: number;
  p: number;
  q: number;
  genes: string[];
}

export interface Reason {
  perturbation: string;
  context: string;
  share: number;
  similarity: number | null;
}

export interface Answer {
  perturbation: string;
  context: string;
  units: string;
  level: number;
  applicability: string;
  applicability_text: string;
  made_by: string[];
  abstained: boolean;
  sureness: string;
  measured: boolean;
  genes: GeneAnswer[];
  volcano: { feature: string[]; effect: number[]; sureness: number[] };
  pathways: Pathway[];
  why: Reason[];
  scored: Record<string, unknown> | null;
  remarks: string[];
  seconds: number;
}

export interface DoorQuestion {
  field: string;
  question: string;
  suggestion: string | null;
  choices: string[];
}

export interface Dataset {
  id: string;
  name: string;
  state: "asked" | "ready" | "refused";
  cells: number;
  genes: number;
  created: number | string;
  owner: string;
  visibility: string;
  guess?: {
    schema: Record<string, unknown>;
    evidence: Record<string, string>;
    questions: DoorQuestion[];
  } | null;
  problems?: string[];
}

export type JobKind = "screen" | "fit" | "search" | "propose" | "publish" | "verify";
export type JobState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  id: string;
  kind: JobKind;
  params: Record<string, unknown>;
  state: JobState;
  progress: { text: string; done: number; total: number; seconds_left: number | null } | null;
  error: { kind?: string; problems?: string[] } | null;
  result: Record<string, unknown> | null;
  owner: string;
  created: number | string;
  started: number | string | null;
  finished: number | string | null;
  attempts: number;
  log: string[];
}

export interface Token {
  id: string;
  name: string;
  role: string;
  created?: number | string;
  token?: string;
}
