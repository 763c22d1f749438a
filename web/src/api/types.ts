/** What the service sends and takes, by the names that pages use. `schema.ts` is made from the API (npm run client). */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["SessionInfo"];
export type CellSummary = Schemas["CellSummary"];
export type CellDetail = Schemas["CellDetail"];
export type CellScores = Schemas["ScoreTable"];
export type Name = Schemas["SuggestedName"];
/** What has a default may be left out of a question. */
export type Question = Pick<Schemas["PredictionQuestion"], "perturbation"> & Partial<Schemas["PredictionQuestion"]>;
export type Answer = Schemas["PredictedAnswer"];
export type GeneAnswer = Schemas["GeneEffect"];
export type Pathway = Schemas["PathwayHit"];
export type Reason = Schemas["Reason"];
export type DoorQuestion = Schemas["OpenQuestion"];
export type DatasetSummary = Schemas["DatasetSummary"];
export type Dataset = Schemas["DatasetDetail"];
export type DrawnFigure = Schemas["DrawnFigure"];
export type TissueAnswer = Schemas["TissueAnswer"];
export type TypeChange = Schemas["TypeChange"];
export type TimeAnswer = Schemas["TimeAnswer"];
export type TimeStep = Schemas["TimeStep"];
export type StateShare = Schemas["StateShare"];
export type Token = Schemas["Token"];
export type NewToken = Schemas["TokenOnce"];

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
