/** What pages ask of the service, each kept by the query client under its own key. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, getJson, said } from "../api/client";
import type { Job } from "../api/types";

export function useSession() {
  return useQuery({ queryKey: ["session"], staleTime: 60_000, queryFn: ({ signal }) => said(api.GET("/api/v1/session", { signal })) });
}

export function useCells() {
  return useQuery({ queryKey: ["cells"], queryFn: async ({ signal }) => (await said(api.GET("/api/v1/cells", { signal }))).cells });
}

export function useCell(id: string | undefined) {
  return useQuery({
    queryKey: ["cell", id],
    enabled: Boolean(id),
    queryFn: ({ signal }) => said(api.GET("/api/v1/cells/{cell}", { params: { path: { cell: id ?? "" } }, signal })),
  });
}

/** Names for type-ahead: genes, drugs and other agents that a cell knows, or may be asked about. */
export function useNames(cell: string | undefined, query: string, kind = "", limit = 20) {
  return useQuery({
    queryKey: ["names", cell, query, kind, limit],
    enabled: Boolean(cell),
    placeholderData: keepPreviousData,
    staleTime: 300_000,
    queryFn: async ({ signal }) =>
      (await said(api.GET("/api/v1/cells/{cell}/names", { params: { path: { cell: cell ?? "" }, query: { query, kind, limit } }, signal }))).names,
  });
}

export function useDatasets() {
  // Asking about a cell may put data of the catalog on the list.
  return useQuery({ queryKey: ["datasets"], refetchOnMount: "always", queryFn: async ({ signal }) => (await said(api.GET("/api/v1/datasets", { signal }))).datasets });
}

export function useDataset(id: string | undefined) {
  return useQuery({
    queryKey: ["dataset", id],
    enabled: Boolean(id),
    queryFn: ({ signal }) => said(api.GET("/api/v1/datasets/{dataset}", { params: { path: { dataset: id ?? "" } }, signal })),
  });
}

export function useJobs(everyMilliseconds: number | false = false) {
  return useQuery({
    queryKey: ["jobs"],
    refetchInterval: everyMilliseconds,
    queryFn: async ({ signal }) => (await getJson<{ jobs: Job[] }>("/jobs", signal)).jobs,
  });
}
