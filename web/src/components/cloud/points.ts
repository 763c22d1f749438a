/** The points of a cell or dataset, and the values of one gene. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, getArrow, pathWith, said } from "../../api/client";

/** What is drawn: the cells a virtual cell was fitted on, or a dataset of the reader's own. */
export interface Source {
  kind: "cell" | "dataset";
  id: string;
}

function folder({ kind, id }: Source): string {
  return `/${kind}s/${encodeURIComponent(id)}`;
}

export function usePoints(source: Source | null) {
  return useQuery({
    queryKey: ["points", source],
    enabled: source !== null,
    staleTime: Infinity,
    gcTime: 60_000,
    retry: false,
    queryFn: async ({ signal }) => {
      const [{ readPoints }, bytes] = await Promise.all([import("../../lib/arrow"), getArrow(`${folder(source as Source)}/points`, signal)]);
      return readPoints(bytes);
    },
  });
}

export function useFeatures(dataset: string | null, query: string) {
  return useQuery({
    queryKey: ["features", dataset, query],
    enabled: dataset !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
    queryFn: async ({ signal }) =>
      (await said(api.GET("/api/v1/datasets/{dataset}/features", { params: { path: { dataset: dataset ?? "" }, query: { query, limit: 20 } }, signal }))).features,
  });
}

export function useValues(dataset: string | null, feature: string) {
  return useQuery({
    queryKey: ["values", dataset, feature],
    enabled: dataset !== null && feature !== "",
    staleTime: Infinity,
    gcTime: 60_000,
    retry: false,
    queryFn: async ({ signal }) => {
      const path = pathWith(`/datasets/${encodeURIComponent(dataset ?? "")}/features/${encodeURIComponent(feature)}`);
      const [{ readValues }, bytes] = await Promise.all([import("../../lib/arrow"), getArrow(path, signal)]);
      return readValues(bytes);
    },
  });
}
