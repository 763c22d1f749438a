/** Entries of the hub, as the service gives them. Their texts are shown as text, whatever they say. */

export type BadgeState = boolean | null | undefined;

export interface HubEntry {
  ref: string;
  kind: string;
  namespace: string;
  name: string;
  version: string;
  title: string;
  licence: string;
  badges: { valid?: BadgeState; runs?: BadgeState; reproduces?: BadgeState };
  digest: string;
  created: string | number;
  description: string;
}

export interface Manifest {
  kind: string;
  namespace: string;
  name: string;
  version: string;
  title?: string;
  description?: string;
  licence?: string;
  terms?: string[];
  intended_use?: string;
  limits?: string;
  bias?: string;
  citation?: string;
  created?: string;
  reads?: { space: string; scale: string; dim: number }[];
  writes?: { space: string; scale: string; dim: number }[];
  inputs?: { name: string; type: string; units?: string }[];
  outputs?: { name: string; type: string; units?: string }[];
  files?: { path: string; sha256: string; bytes: number }[];
  training?: { sets?: { name: string; licence?: string; donors?: number | null }[]; ancestry?: unknown; sexes?: unknown };
  evaluation?: { dataset: string; dataset_role: string; metric: string; value: number | null; low: number | null; high: number | null; n?: number | null }[];
  uncertainty?: { method?: string; calibrated?: boolean | null; coverage?: string };
  made_with?: { packages?: Record<string, string> };
  [more: string]: unknown;
}

export const KINDS = ["virtual-cell", "encoder", "manipulator", "decoder", "dataset-card", "benchmark", "score", "campaign"];

/** "kind/namespace/name@version", taken apart; null where it is no ref. */
export function partsOf(ref: string): { kind: string; namespace: string; name: string; version: string } | null {
  const found = /^([a-z-]+)\/([^/@#]+)\/([^/@#]+)@([^#]+)(#.*)?$/.exec(ref);
  return found ? { kind: found[1] as string, namespace: found[2] as string, name: found[3] as string, version: found[4] as string } : null;
}
