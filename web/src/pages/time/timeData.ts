/** Cells taken through a schedule: the tables, then the points, then the drawn figure; the service simulates once. */
import { useQuery } from "@tanstack/react-query";
import { api, getArrow, pathWith, said } from "../../api/client";

export interface Asked {
  schedule: string;
  context: string;
  every: number | undefined;
  extrapolate: boolean;
}

const ONCE = { staleTime: Infinity, gcTime: 300_000, retry: false } as const;

export function useCourse(cell: string, asked: Asked | null) {
  const query = asked ?? { schedule: "", context: "", every: undefined, extrapolate: false };
  const params = { path: { cell }, query };
  const answer = useQuery({
    queryKey: ["time", cell, asked],
    enabled: asked !== null,
    ...ONCE,
    queryFn: ({ signal }) => said(api.GET("/api/v1/cells/{cell}/time/answer", { params, signal })),
  });
  const points = useQuery({
    queryKey: ["time points", cell, asked],
    enabled: answer.isSuccess,
    ...ONCE,
    queryFn: async ({ signal }) => {
      const [{ readPoints }, bytes] = await Promise.all([
        import("../../lib/arrow"),
        getArrow(pathWith(`/cells/${encodeURIComponent(cell)}/time/points`, { ...query }), signal),
      ]);
      return readPoints(bytes);
    },
  });
  const figure = useQuery({
    queryKey: ["time figure", cell, asked],
    enabled: points.isSuccess,
    ...ONCE,
    queryFn: ({ signal }) => said(api.GET("/api/v1/cells/{cell}/time", { params, signal })),
  });
  return { answer, points, figure };
}
