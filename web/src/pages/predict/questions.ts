/** Asks a cell, and asks it for every gene where an export wants them. */
import { useQuery } from "@tanstack/react-query";
import { getArrow, sendJson } from "../../api/client";
import type { Answer, Question } from "../../api/types";
import { toCsv } from "../../lib/csv";

export function useAnswer(cell: string | undefined, question: Question | null) {
  return useQuery({
    queryKey: ["answer", cell, question],
    enabled: Boolean(cell && question),
    staleTime: Infinity,
    retry: false,
    queryFn: ({ signal }) => sendJson<Answer>(`/cells/${encodeURIComponent(cell ?? "")}/predict`, question, "POST", signal),
  });
}

/** Every gene of an answer as CSV, with what was asked in each row. */
export async function answerCsv(cell: string, question: Question, answer: Answer): Promise<string> {
  const { readTable } = await import("../../lib/arrow");
  const bytes = await getArrow(`/cells/${encodeURIComponent(cell)}/predict`, undefined, question);
  const { header, rows } = readTable(bytes);
  const said = [cell, answer.perturbation, answer.context, answer.applicability, answer.abstained, answer.units, answer.level];
  const about = ["cell", "perturbation", "context", "applicability", "abstained", "units", "level"];
  return toCsv([...about, ...header], rows.map((row) => [...said, ...row]));
}
