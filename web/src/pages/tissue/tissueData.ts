/** Where cells lie, and what an edit changes. */
import { useQuery } from "@tanstack/react-query";
import { api, getArrow, pathWith, said } from "../../api/client";

/** Each question is asked once; a refusal is shown as it is. */
const ONCE = { staleTime: Infinity, gcTime: 300_000, retry: false } as const;

export function usePositions(dataset: string) {
  return useQuery({
    queryKey: ["positions", dataset],
    enabled: dataset !== "",
    ...ONCE,
    queryFn: async ({ signal }) => {
      const [{ readPoints }, bytes] = await Promise.all([import("../../lib/arrow"), getArrow(`/datasets/${encodeURIComponent(dataset)}/positions`, signal)]);
      return readPoints(bytes);
    },
  });
}

/** What an edit changes, in numbers and by type, and then cell by cell. */
export function useChange(cell: string, dataset: string, edit: string) {
  const answer = useQuery({
    queryKey: ["tissue", cell, dataset, edit],
    enabled: dataset !== "" && edit !== "",
    ...ONCE,
    queryFn: ({ signal }) => said(api.GET("/api/v1/cells/{cell}/tissue/answer", { params: { path: { cell }, query: { dataset, edit } }, signal })),
  });
  const cells = useQuery({
    queryKey: ["tissue change", cell, dataset, edit],
    enabled: answer.isSuccess,
    ...ONCE,
    queryFn: async ({ signal }) => {
      const path = pathWith(`/cells/${encodeURIComponent(cell)}/tissue/change`, { dataset, edit });
      const [{ readNumbers }, bytes] = await Promise.all([import("../../lib/arrow"), getArrow(path, signal)]);
      return readNumbers(bytes);
    },
  });
  return { answer, cells };
}

export function useSectionFigure(cell: string, dataset: string, edit: string, asked: boolean) {
  return useQuery({
    queryKey: ["tissue figure", cell, dataset, edit],
    enabled: asked && dataset !== "",
    ...ONCE,
    queryFn: ({ signal }) => said(api.GET("/api/v1/cells/{cell}/tissue", { params: { path: { cell }, query: { dataset, edit } }, signal })),
  });
}
